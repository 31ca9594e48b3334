package dev.moe4j.text.training;

import dev.moe4j.text.tokenizer.GptTokenizer.Kind;

/**
 * Implements GPT-2's pre-tokenization without a regular expression. {@link
 * dev.moe4j.text.tokenizer.Tokenizers#PIECES} gives the same pieces, but slower.
 */
public final class Pieces {
    private Pieces() {}

    /**
     * Returns the end of a piece.
     *
     * @param from the start of a piece; an index below the text's length
     */
    public static int end(String text, int from) {
        char first = text.charAt(from);
        if (first == '\'') {
            int end = contraction(text, from + 1);
            if (end > 0) {
                return end;
            }
        }
        int c = text.codePointAt(from);
        Kind kind = Kind.of(c);
        if (kind != Kind.SPACE) {
            return runEnd(text, from, kind);
        }
        int end = runEnd(text, from, Kind.SPACE);
        if (end == text.length()) {
            return end;
        }
        if (end - from > 1) {
            return end - 1; // the last white space belongs to the next piece, or is a separate piece
        }
        return first == ' ' ? runEnd(text, end, Kind.of(text.codePointAt(end))) : end;
    }

    /** Returns the end of a contraction's letters that begin at {@code at}; -1 if this is not a contraction. */
    private static int contraction(String text, int at) {
        if (at < text.length()) {
            switch (text.charAt(at)) {
                case 's', 'd', 'm', 't' -> {
                    return at + 1;
                }
                case 'l', 'v', 'r' -> {
                    if (text.startsWith("ll", at) || text.startsWith("ve", at) || text.startsWith("re", at)) {
                        return at + 2;
                    }
                }
                default -> {}
            }
        }
        return -1;
    }

    private static int runEnd(String text, int from, Kind kind) {
        int at = from;
        while (at < text.length()) {
            int c = text.codePointAt(at);
            if (Kind.of(c) != kind) {
                return at;
            }
            at += Character.charCount(c);
        }
        return at;
    }
}
