package dev.moe4j.eval;

import dev.moe4j.data.Tokenizer;

/**
 * How many bytes and words tokens stand for. A word is a run of bytes that are no ASCII white space, and counts where it
 * begins: what follows an end of text begins one. A token's words depend on whether the one before it ended in a space.
 */
final class TokenText {

    /** Counts nothing. */
    static final TokenText NONE = new TokenText(0);

    private final int[] bytes;
    private final int[] wordsAfterSpace;
    private final boolean[] beginsInWord;
    private final boolean[] endsInSpace;

    private TokenText(int vocabulary) {
        this.bytes = new int[vocabulary];
        this.wordsAfterSpace = new int[vocabulary];
        this.beginsInWord = new boolean[vocabulary];
        this.endsInSpace = new boolean[vocabulary];
    }

    static TokenText of(Tokenizer tokenizer) {
        TokenText text = new TokenText(tokenizer.vocabularySize());
        for (int id = 0; id < text.bytes.length; id++) {
            byte[] spelled = tokenizer.bytes(id);
            text.bytes[id] = spelled.length;
            boolean space = true;
            for (int i = 0; i < spelled.length; i++) {
                boolean before = space;
                space = isSpace(spelled[i]);
                if (before && !space) {
                    text.wordsAfterSpace[id]++;
                    text.beginsInWord[id] |= i == 0;
                }
            }
            text.endsInSpace[id] = space;
        }
        return text;
    }

    private static boolean isSpace(byte b) {
        return b == ' ' || (b >= '\t' && b <= '\r');
    }

    int bytes(int token) {
        return token < bytes.length ? bytes[token] : 0;
    }

    /** The words that begin in a token, given the one before it. */
    int words(int previous, int token) {
        if (token >= bytes.length) {
            return 0;
        }
        boolean goesOn = beginsInWord[token] && previous < bytes.length && !endsInSpace[previous];
        return wordsAfterSpace[token] - (goesOn ? 1 : 0);
    }
}
