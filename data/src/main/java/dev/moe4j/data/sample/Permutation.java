package dev.moe4j.data.sample;

import dev.moe4j.base.primitive.SplitMix64;

/**
 * A pseudorandom permutation of 0 … n−1 that is computed and not stored. It applies a Feistel network over the next even
 * number of bits until the result is below n (cycle walking). A Feistel network is a bijection for any round function.
 * Following its cycle from a point below n to the next such point is therefore a bijection on the points below n. The
 * domain has fewer than 4n points, so this takes fewer than four steps on average.
 */
public final class Permutation {
    private static final int ROUNDS = 6;

    private final long n;
    private final int halfBits;
    private final long mask;
    private final long[] keys = new long[ROUNDS];

    /**
     * Creates a permutation.
     *
     * @param n the number of elements, from 1 to 2^60
     * @param key selects the permutation
     */
    public Permutation(long n, long key) {
        if (n < 1 || n > 1L << 60) {
            throw new IllegalArgumentException("cannot permute " + n + " elements");
        }
        this.n = n;
        int bits = Long.SIZE - Long.numberOfLeadingZeros(n - 1);
        this.halfBits = Math.max(1, (bits + 1) / 2);
        this.mask = (1L << halfBits) - 1;
        for (int round = 0; round < ROUNDS; round++) {
            keys[round] = SplitMix64.mix(key + round * 0x9e3779b97f4a7c15L);
        }
    }

    /** Returns the image of an index from 0 to n−1. */
    public long get(long index) {
        long at = index;
        do {
            at = network(at);
        } while (at >= n);
        return at;
    }

    private long network(long value) {
        long left = value >>> halfBits;
        long right = value & mask;
        for (long key : keys) {
            long next = left ^ (SplitMix64.mix(right ^ key) & mask);
            left = right;
            right = next;
        }
        return left << halfBits | right;
    }
}
