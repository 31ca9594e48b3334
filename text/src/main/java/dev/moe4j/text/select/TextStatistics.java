package dev.moe4j.text.select;

import java.util.HashSet;
import java.util.Set;

/**
 * Computes the statistics of a text that {@link QualityRule}s use, each on first use. Fractions are from 0 to 1. Only the
 * first {@link #MAX_WORDS} words are searched for repetitions, which bounds memory.
 */
public final class TextStatistics {
    private static final int MAX_WORDS = 1 << 20;

    private static final String BULLETS = "\u2022\u2023\u25b6\u25c0\u25e6\u25a0\u25a1\u25aa\u25ab\u2013-*";

    private final String text;
    private long words;
    private long wordCharacters;
    private long wordsWithLetter;
    private long symbols;
    private boolean haveLines;
    private long lines;
    private long bullets;
    private long ellipses;
    private long repeatedLines;
    private long repeatedLineCharacters;
    private long lineCharacters;
    private long[] hashes = new long[0];
    private int[] lengths = new int[0];
    private int grams = -1;

    /** Creates the statistics of a text. */
    public TextStatistics(String text) {
        this.text = text;
        readWords();
    }

    private void readWords() {
        int from = -1;
        boolean letter = false;
        int length = text.length();
        for (int at = 0; at <= length; at++) {
            char c = at < length ? text.charAt(at) : ' ';
            if (Character.isWhitespace(c) || c == '\u00a0') {
                if (from >= 0) {
                    words++;
                    wordCharacters += text.codePointCount(from, at);
                    wordsWithLetter += letter ? 1 : 0;
                    from = -1;
                    letter = false;
                }
                continue;
            }
            if (from < 0) {
                from = at;
            }
            letter = letter
                    || Character.isLetter(c)
                    || (Character.isHighSurrogate(c) && Character.isLetter(text.codePointAt(at)));
            boolean dots = c == '.' && text.startsWith("...", at) && (at == 0 || text.charAt(at - 1) != '.');
            symbols += c == '#' || c == '\u2026' || dots ? 1 : 0;
        }
    }

    /** Returns the number of characters (code points). */
    public double characters() {
        return text.codePointCount(0, text.length());
    }

    /** Returns the number of words, which are separated by white space. */
    public double words() {
        return words;
    }

    /** Returns the mean length of a word, in characters. */
    public double meanWord() {
        return ratio(wordCharacters, words);
    }

    /** Returns the number of hash signs and ellipses per word. */
    public double symbols() {
        return ratio(symbols, words);
    }

    /** Returns the fraction of words with a letter. */
    public double alphabetic() {
        return ratio(wordsWithLetter, words);
    }

    private void readLines() {
        if (haveLines) {
            return;
        }
        haveLines = true;
        Set<String> seen = new HashSet<>();
        text.lines().map(String::strip).filter(line -> !line.isEmpty()).forEach(line -> {
            lines++;
            lineCharacters += line.length();
            bullets += BULLETS.indexOf(line.charAt(0)) >= 0 ? 1 : 0;
            ellipses += line.endsWith("...") || line.endsWith("\u2026") ? 1 : 0;
            if (!seen.add(line)) {
                repeatedLines++;
                repeatedLineCharacters += line.length();
            }
        });
    }

    /** Returns the fraction of lines that begin with a bullet. */
    public double bullets() {
        readLines();
        return ratio(bullets, lines);
    }

    /** Returns the fraction of lines that end in an ellipsis. */
    public double ellipses() {
        readLines();
        return ratio(ellipses, lines);
    }

    /** Returns the fraction of lines that repeat an earlier line. */
    public double repeatedLines() {
        readLines();
        return ratio(repeatedLines, lines);
    }

    /** Returns the fraction of characters in lines that repeat an earlier line. */
    public double repeatedLineCharacters() {
        readLines();
        return ratio(repeatedLineCharacters, lineCharacters);
    }

    private void readGrams() {
        if (grams >= 0) {
            return;
        }
        grams = 0;
        int limit = Math.min(MAX_WORDS, text.length());
        hashes = new long[limit];
        lengths = new int[limit];
        Words.each(text, (hash, from, to) -> {
            if (grams < limit) {
                hashes[grams] = hash;
                lengths[grams++] = to - from;
            }
        });
    }

    /** Returns the total length of {@code n} words, in characters. */
    private long length(int from, int n) {
        long length = 0;
        for (int i = from; i < from + n; i++) {
            length += lengths[i];
        }
        return length;
    }

    /** Returns the fraction of word characters in the repeated n-gram whose occurrences have the most characters. */
    public double topGram(int n) {
        readGrams();
        LongMap counts = new LongMap();
        Words.Grams gram = new Words.Grams(n);
        long most = 0;
        for (int i = 0; i < grams; i++) {
            if (gram.add(hashes[i])) {
                int count = counts.increment(gram.hash());
                if (count > 1) {
                    most = Math.max(most, count * length(i - n + 1, n));
                }
            }
        }
        return ratio(most, length(0, grams));
    }

    /** Returns the fraction of word characters in n-grams that repeat an earlier one. Repeats do not overlap. */
    public double repeatedGrams(int n) {
        readGrams();
        LongMap seen = new LongMap();
        Words.Grams gram = new Words.Grams(n);
        long repeated = 0;
        for (int i = 0; i < grams; i++) {
            if (gram.add(hashes[i]) && seen.increment(gram.hash()) > 1) {
                repeated += length(i - n + 1, n);
                gram.clear();
            }
        }
        return ratio(repeated, length(0, grams));
    }

    private static double ratio(long part, long total) {
        return total == 0 ? 0 : (double) part / total;
    }
}
