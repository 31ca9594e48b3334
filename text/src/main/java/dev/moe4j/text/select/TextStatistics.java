package dev.moe4j.text.select;

import java.util.HashSet;
import java.util.Set;

/**
 * What {@link QualityRule}s look at, computed when first asked for. Shares are from 0 to 1. Repetitions are looked for
 * among the first {@link #MOST_WORDS} words, which bounds memory.
 */
public final class TextStatistics {
    private static final int MOST_WORDS = 1 << 20;

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

    public double characters() {
        return text.codePointCount(0, text.length());
    }

    public double words() {
        return words;
    }

    public double meanWord() {
        return share(wordCharacters, words);
    }

    public double symbols() {
        return share(symbols, words);
    }

    public double alphabetic() {
        return share(wordsWithLetter, words);
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

    public double bullets() {
        readLines();
        return share(bullets, lines);
    }

    public double ellipses() {
        readLines();
        return share(ellipses, lines);
    }

    public double repeatedLines() {
        readLines();
        return share(repeatedLines, lines);
    }

    public double repeatedLineCharacters() {
        readLines();
        return share(repeatedLineCharacters, lineCharacters);
    }

    private void readGrams() {
        if (grams >= 0) {
            return;
        }
        grams = 0;
        int most = Math.min(MOST_WORDS, text.length());
        hashes = new long[most];
        lengths = new int[most];
        Words.each(text, (hash, from, to) -> {
            if (grams < most) {
                hashes[grams] = hash;
                lengths[grams++] = to - from;
            }
        });
    }

    /** The characters of {@code n} words from a place on. */
    private long length(int from, int n) {
        long length = 0;
        for (int i = from; i < from + n; i++) {
            length += lengths[i];
        }
        return length;
    }

    /** The share of the n-gram that takes most characters, among those that are there more than once. */
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
        return share(most, length(0, grams));
    }

    /** The share of n-grams that were there before; after one, the next is looked for behind it. */
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
        return share(repeated, length(0, grams));
    }

    private static double share(long part, long whole) {
        return whole == 0 ? 0 : (double) part / whole;
    }
}
