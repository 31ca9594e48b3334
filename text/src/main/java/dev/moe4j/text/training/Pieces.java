package dev.moe4j.text.training;

import dev.moe4j.text.tokenizer.GptTokenizer.Kind;

/**
 * GPT-2's split of text into pieces, by hand; the regular expression {@code Tokenizers.PIECES} gives the same ones.
 */
public final class Pieces {
    private Pieces() {}

    /** Where the piece ends that begins at {@code from}, which is below the length and where a piece begins. */
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
            return end - 1; // the last one is the next piece's, or a piece of its own
        }
        return first == ' ' ? runEnd(text, end, Kind.of(text.codePointAt(end))) : end;
    }

    /** The end of the letters of a contraction that begin at {@code at}; -1 if there are none. */
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
