package dev.moe4j.data;

import java.util.Objects;

/**
 * Training sequences by their global number: pure functions of (seed, number), so that resuming and any number of
 * processes see the same data in the same order.
 *
 * <p>The stream is cut into chunks of {@code length} ids across documents. Chunk <i>c</i> has the inputs at
 * {@code c·length …} and the targets one further, so its last target is the next chunk's first input. An epoch is one
 * visit to each chunk in an order that depends on the seed and the epoch; number <i>s</i> is in epoch
 * {@code s / perEpoch}. Up to {@code length − 1} targets at the end of the stream, which fill no chunk, are not used.
 *
 * <p>Safe for use by many threads.
 */
public final class SequenceSampler {
    private final TokenStream stream;
    private final int length;
    private final long seed;
    private final long perEpoch;

    /**
     * A sampler.
     *
     * @param length ids that are predicted in a sequence, at least 1
     * @throws DataException if the stream has not {@code length + 1} ids
     */
    public SequenceSampler(TokenStream stream, int length, long seed) {
        if (length < 1) {
            throw new DataException("cannot cut sequences of " + length + " tokens; give at least 1");
        }
        if (stream.tokens() < length + 1L) {
            throw new DataException("the text has " + stream.tokens() + " tokens, too few for one sequence of " + length
                    + " and its targets; give more text or use shorter sequences");
        }
        this.stream = stream;
        this.length = length;
        this.seed = seed;
        this.perEpoch = (stream.tokens() - 1) / length;
    }

    /** The ids that are predicted in a sequence. */
    public int length() {
        return length;
    }

    /** The sequences of an epoch. */
    public long sequencesPerEpoch() {
        return perEpoch;
    }

    /** Where a sequence begins in the stream, in ids. */
    public long offset(long number) {
        if (number < 0) {
            throw new IndexOutOfBoundsException("sequence " + number);
        }
        long epoch = number / perEpoch;
        long key = Mix.mix(Mix.mix(seed) ^ epoch);
        return new Permutation(perEpoch, key).get(number % perEpoch) * length;
    }

    /**
     * A sequence.
     *
     * @param number its global number, from 0, without end
     * @param out takes {@code length + 1} ids from index 0: the inputs are the first {@code length}, the targets the
     *     last {@code length}
     */
    public void sequence(long number, int[] out) {
        sequence(number, out, 0);
    }

    /** As {@link #sequence(long, int[])}, from index {@code at}. */
    public void sequence(long number, int[] out, int at) {
        Objects.checkFromIndexSize(at, length + 1, out.length);
        stream.copyTokens(offset(number), out, at, length + 1);
    }
}
