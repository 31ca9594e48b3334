package dev.moe4j.data.shard;

import java.util.Objects;

/** Token ids in one long row, addressed by position. Safe to read from many threads. */
public interface TokenStream {

    /** The number of ids. */
    long tokens();

    /**
     * Copies ids.
     *
     * @param offset position of the first, in ids
     * @param out takes them
     * @param at index in {@code out} of the first
     * @param count how many
     * @throws dev.moe4j.text.DataException if an id is negative or does not fit 31 bits
     * @throws IndexOutOfBoundsException if the stream or {@code out} is too short
     */
    void copyTokens(long offset, int[] out, int at, int count);

    /** A stream over a copy of these ids. */
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
