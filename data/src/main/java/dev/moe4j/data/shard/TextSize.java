package dev.moe4j.data.shard;

import dev.moe4j.base.text.Utf8;

/**
 * The size of a text in bytes and words. Losses per byte or word are comparable between models with different
 * vocabularies.
 *
 * @param bytes the length of the text in UTF-8 bytes
 * @param words the number of runs of characters other than ASCII white space; 0 if they were not counted
 */
public record TextSize(long bytes, long words) {

    /** Measures a text. */
    public static TextSize of(String text) {
        return new TextSize(Utf8.length(text), words(text));
    }

    /** Returns the total size of two texts. No word may span both texts. */
    public TextSize plus(TextSize other) {
        return new TextSize(bytes + other.bytes, words + other.words);
    }

    /** Returns the number of words in a text. */
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

    /** Whether a character or byte is ASCII white space. */
    public static boolean isSpace(int c) {
        return c == ' ' || (c >= '\t' && c <= '\r');
    }
}
