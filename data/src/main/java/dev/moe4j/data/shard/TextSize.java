package dev.moe4j.data.shard;

import dev.moe4j.base.text.Utf8;

/**
 * The size of a text, by which a loss is divided to compare models of any vocabulary.
 *
 * @param bytes of the text in UTF-8
 * @param words runs of characters other than ASCII white space; 0 if they were not counted
 */
public record TextSize(long bytes, long words) {

    /** The size of a text. */
    public static TextSize of(String text) {
        return new TextSize(Utf8.length(text), words(text));
    }

    /** The size of two texts that no word spans. */
    public TextSize plus(TextSize other) {
        return new TextSize(bytes + other.bytes, words + other.words);
    }

    public static long words(String text) {
        long words = 0;
        boolean space = true;
        for (int i = 0; i < text.length(); i++) {
            boolean before = space;
            space = isSpace(text.charAt(i));
            words += before && !space ? 1 : 0;
        }
        return words;
    }

    public static boolean isSpace(int c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
    }
}
