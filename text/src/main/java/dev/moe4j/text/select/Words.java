package dev.moe4j.text.select;

import dev.moe4j.base.primitive.SplitMix64;
import java.util.Arrays;

/**
 * Splits a text into words and hashes them, to compare texts regardless of punctuation, line breaks and case. A word is a
 * run of letters, digits and combining marks. In scripts without spaces between words, each character is a word.
 */
public final class Words {
    private Words() {}

    /** Receives words. */
    @FunctionalInterface
    public interface Word {
        /**
         * Receives a word.
         *
         * @param hash a well-mixed hash of the lower-case word
         * @param from the index of the word in the text
         * @param to the index after the word
         */
        void at(long hash, int from, int to);
    }

    /** Passes the words of a text to {@code out}, in order. */
    public static void each(String text, Word out) {
        int start = -1;
        long hash = 0;
        int at = 0;
        while (at < text.length()) {
            int c = text.charAt(at);
            int next = at + 1;
            boolean part;
            boolean alone = false;
            if (c < 128) {
                part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
                if (c >= 'A' && c <= 'Z') {
                    c |= 32;
                    part = true;
                }
            } else {
                c = text.codePointAt(at);
                next = at + Character.charCount(c);
                part = Character.isLetterOrDigit(c) || isMark(c);
                alone = part && standsAlone(c);
                c = Character.toLowerCase(c);
            }
            if (start >= 0 && (!part || alone)) {
                out.at(SplitMix64.mix(hash), start, at);
                start = -1;
            }
            if (alone) {
                out.at(SplitMix64.mix(c), at, next);
            } else if (part) {
                if (start < 0) {
                    start = at;
                    hash = 0;
                }
                hash = (hash ^ c) * 0x100000001b3L + 1;
            }
            at = next;
        }
        if (start >= 0) {
            out.at(SplitMix64.mix(hash), start, text.length());
        }
    }

    private static boolean isMark(int c) {
        int type = Character.getType(c);
        return type == Character.NON_SPACING_MARK || type == Character.COMBINING_SPACING_MARK;
    }

    private static boolean standsAlone(int c) {
        if (c < 0x0e00) {
            return false;
        }
        return switch (Character.UnicodeScript.of(c)) {
            case HAN, HIRAGANA, KATAKANA, THAI, LAO, KHMER, MYANMAR, TIBETAN -> true;
            default -> false;
        };
    }

    /** Computes the rolling hash of the last {@code n} words (an n-gram). */
    public static final class Grams {
        private static final long FACTOR = 0x9e3779b97f4a7c15L;

        private final long[] last;
        private final long drop;
        private long sum;
        private long count;

        /** Creates an empty window of {@code n} words. */
        public Grams(int n) {
            last = new long[n];
            long power = 1;
            for (int i = 0; i < n; i++) {
                power *= FACTOR;
            }
            drop = power;
        }

        /** Adds the hash of the next word. Returns whether there are at least {@code n} words, as {@link #hash} needs. */
        public boolean add(long word) {
            int slot = (int) (count++ % last.length);
            sum = sum * FACTOR + word - last[slot] * drop;
            last[slot] = word;
            return count >= last.length;
        }

        /** Returns the hash of the last {@code n} words. */
        public long hash() {
            return SplitMix64.mix(sum);
        }

        /** Returns the number of words added since the last {@link #clear}. */
        long words() {
            return count;
        }

        /** Removes all words. */
        void clear() {
            Arrays.fill(last, 0);
            sum = 0;
            count = 0;
        }
    }
}
