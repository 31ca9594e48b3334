package dev.moe4j.model.batch;

import dev.moe4j.model.spec.ModelException;

/**
 * Assigns the tokens of packed sequences to documents.
 *
 * @param documents each token's document, {@code [sequences · length]}, numbered from 0 in each sequence and never
 *     decreasing; {@link TokenBatch#NONE} for padding after the last document
 * @param mask whether a token attends only to its own document
 * @param resetPositions whether positions restart in each document
 */
public record Packing(long[] documents, boolean mask, boolean resetPositions) {

    /** Whether a position is padding. */
    boolean isPadding(int token) {
        return documents[token] == TokenBatch.NONE;
    }

    /** Whether a position starts a document or the padding of its sequence. */
    public boolean isFirst(int token, int length) {
        return token % length == 0 || documents[token] != documents[token - 1];
    }

    void check(int tokens, int length) {
        if (documents.length != tokens) {
            throw new ModelException(documents.length + " document numbers were given for " + tokens + " tokens");
        }
        for (int i = 0; i < tokens; i++) {
            if (i % length != 0 && documents[i] < documents[i - 1] && !isPadding(i)) {
                throw new ModelException("token " + i % length + " of a sequence belongs to document " + documents[i]
                        + ", but the token before it to document " + documents[i - 1]
                        + "; document numbers must not decrease");
            }
        }
    }
}
