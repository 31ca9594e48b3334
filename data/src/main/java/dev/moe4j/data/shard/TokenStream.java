package dev.moe4j.data.shard;

import java.util.Objects;

/** A sequence of token ids with random access by position. Safe for concurrent reads. */
public interface TokenStream {

    /** Returns the number of tokens. */
    long tokens();

    /**
     * Copies tokens.
     *
     * @param offset the position of the first token in the stream
     * @param out receives the token ids
     * @param at the index in {@code out} of the first token
     * @param count the number of tokens
     * @throws dev.moe4j.text.DataException if an id is negative or does not fit in 31 bits
     * @throws IndexOutOfBoundsException if the stream or {@code out} is too short
     */
    void copyTokens(long offset, int[] out, int at, int count);

    /** Creates a stream over a copy of these ids. */
    static TokenStream of(int... ids) {
        int[] kept = ids.clone();
        return new TokenStream() {
            @Override
            public long tokens() {
                return kept.length;
            }

            @Override
            public void copyTokens(long offset, int[] out, int at, int count) {
                Objects.checkFromIndexSize(offset, count, kept.length);
                System.arraycopy(kept, (int) offset, out, at, count);
            }
        };
    }
}
