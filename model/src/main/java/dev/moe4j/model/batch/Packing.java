package dev.moe4j.model.batch;

import dev.moe4j.model.spec.ModelException;

/**
 * Several documents in one sequence.
 *
 * @param documents each token's document, {@code [sequences · length]}: counted in its sequence from 0, never falling,
 *     and {@link TokenBatch#NONE} behind the last one, where nothing stands
 * @param mask whether a token looks only at its own document
 * @param resetPositions whether positions count anew in each document
 */
public record Packing(long[] documents, boolean mask, boolean resetPositions) {

    /** Whether a token is none, but fills its sequence up. */
    boolean isFill(int token) {
        return documents[token] == TokenBatch.NONE;
    }

    /** Whether a token is the first of its document, or of what fills the sequence up. */
    public boolean isFirst(int token, int length) {
        return token % length == 0 || documents[token] != documents[token - 1];
    }

    void check(int tokens, int length) {
        if (documents.length != tokens) {
            throw new ModelException(tokens + " tokens cannot be in " + documents.length + " documents");
        }
        for (int i = 0; i < tokens; i++) {
            if (i % length != 0 && documents[i] < documents[i - 1] && !isFill(i)) {
                throw new ModelException("token " + i % length + " of a sequence is in document " + documents[i]
                        + ", and the one before it in document " + documents[i - 1]);
            }
        }
    }
}
