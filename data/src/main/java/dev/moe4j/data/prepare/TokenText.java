package dev.moe4j.data.prepare;

import dev.moe4j.data.shard.TextSize;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.text.tokenizer.Tokenizer;

/**
 * Counts the bytes and words of the text that tokens decode to. A word is a run of bytes other than ASCII white space and
 * counts for the token in which it begins. The end of text ends a word. Whether a token begins a word depends on whether
 * the previous token ended in white space.
 *
 * <p>The decoded text differs from its source if a {@code tokenizer.json} loses text (unknown words) or adds text (a
 * leading space).
 */
public final class TokenText {

    /** Counts 0 bytes and 0 words for every token. */
    public static final TokenText NONE = new TokenText(0, 0);

    private static final int READ = 1 << 16;

    private final int[] bytes;
    private final int[] wordsAfterSpace;
    private final boolean[] beginsInWord;
    private final boolean[] endsInSpace;
    private final int endOfText;

    private TokenText(int vocabulary, int endOfText) {
        this.bytes = new int[vocabulary];
        this.wordsAfterSpace = new int[vocabulary];
        this.beginsInWord = new boolean[vocabulary];
        this.endsInSpace = new boolean[vocabulary];
        this.endOfText = endOfText;
    }

    /** Computes the counts of each token in a tokenizer's vocabulary. */
    public static TokenText of(Tokenizer tokenizer) {
        TokenText text = new TokenText(tokenizer.vocabularySize(), tokenizer.endOfText());
        for (int id = 0; id < text.bytes.length; id++) {
            byte[] spelled = tokenizer.bytes(id);
            text.bytes[id] = spelled.length;
            boolean space = true;
            for (int i = 0; i < spelled.length; i++) {
                boolean before = space;
                space = TextSize.isSpace(spelled[i]);
                if (before && !space) {
                    text.wordsAfterSpace[id]++;
                    text.beginsInWord[id] |= i == 0;
                }
            }
            text.endsInSpace[id] = space;
        }
        return text;
    }

    /** Returns the size of the text that a stream decodes to. */
    public TextSize size(TokenStream stream) {
        long totalBytes = 0;
        long totalWords = 0;
        int previous = endOfText;
        int[] ids = new int[READ];
        for (long from = 0; from < stream.tokens(); from += READ) {
            int count = (int) Math.min(READ, stream.tokens() - from);
            stream.copyTokens(from, ids, 0, count);
            for (int i = 0; i < count; i++) {
                totalBytes += bytes(ids[i]);
                totalWords += words(previous, ids[i]);
                previous = ids[i];
            }
        }
        return new TextSize(totalBytes, totalWords);
    }

    /** Returns the number of bytes that a token decodes to; 0 outside the vocabulary. */
    public int bytes(int token) {
        return token < bytes.length ? bytes[token] : 0;
    }

    /** Returns the number of words that begin in a token, given the previous token. */
    public int words(int previous, int token) {
        if (token >= bytes.length) {
            return 0;
        }
        boolean goesOn = beginsInWord[token] && previous < bytes.length && !endsInSpace[previous];
        return wordsAfterSpace[token] - (goesOn ? 1 : 0);
    }
}
