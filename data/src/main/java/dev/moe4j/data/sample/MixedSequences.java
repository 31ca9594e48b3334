package dev.moe4j.data.sample;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Mixes the sequences of several data sources.
 *
 * <p>Global numbers are divided into rounds. In each round, every source supplies a fixed number of sequences, its quota.
 * A permutation of the round gives their positions. A sequence is a function of its global number: the number's round and
 * its position in the round tell how many sequences its source supplied before.
 *
 * <p>When mixing by size, a round is an epoch, and the quota of a source is the number of its sequences. When mixing by
 * weight, a round has {@link #ROUND} sequences, and the quotas are the weights rounded to that precision, but at least 1.
 * The sources then have separate epochs. Only the quotas are kept in memory.
 */
public final class MixedSequences implements TrainingSequences {
    /** The number of sequences in a round of weighted sources. */
    public static final int ROUND = 1 << 16;

    private final List<TrainingSequences> sources;
    /** The sum of the quotas before each source, followed by the sum of all quotas. */
    private final long[] firstTurn;

    private final long seed;

    private MixedSequences(List<? extends TrainingSequences> sources, long[] quotas, long seed) {
        this.sources = List.copyOf(sources);
        this.seed = seed;
        firstTurn = new long[quotas.length + 1];
        for (int i = 0; i < quotas.length; i++) {
            firstTurn[i + 1] = firstTurn[i] + quotas[i];
        }
    }

    /** Mixes sources by size: each sequence of each source occurs once per epoch. All sources have the same length. */
    public static MixedSequences bySize(List<? extends TrainingSequences> sources, long seed) {
        long[] quotas =
                sources.stream().mapToLong(TrainingSequences::sequencesPerEpoch).toArray();
        return new MixedSequences(sources, quotas, seed);
    }

    /**
     * Mixes sources by weight. All sources have the same length.
     *
     * @param weights the weight of each source, positive and finite; only the ratios matter
     * @throws DataException if there are more than {@link #ROUND} sources
     */
    public static MixedSequences byWeight(List<? extends TrainingSequences> sources, double[] weights, long seed) {
        return new MixedSequences(sources, quotas(weights), seed);
    }

    /**
     * Divides a round between sources in proportion to their weights. Each quota is at least 1. The largest-remainder
     * method assigns the sequences that are left after rounding down.
     *
     * @throws DataException if there are more than {@link #ROUND} weights
     */
    public static long[] quotas(double... weights) {
        int spare = ROUND - weights.length;
        if (spare < 0) {
            throw new DataException("cannot mix " + weights.length + " sources; give at most " + ROUND);
        }
        double sum = Arrays.stream(weights).sum();
        double[] remainders = new double[weights.length];
        long[] quotas = new long[weights.length];
        long left = ROUND;
        for (int i = 0; i < weights.length; i++) {
            double exact = weights[i] / sum * ROUND;
            quotas[i] = Math.max(1, (long) exact);
            remainders[i] = exact - quotas[i];
            left -= quotas[i];
        }
        while (left != 0) { // negative if quotas were raised to 1
            int sign = left > 0 ? 1 : -1;
            int taken = IntStream.range(0, weights.length)
                    .filter(i -> sign > 0 || quotas[i] > 1)
                    .reduce((a, b) -> sign * remainders[b] > sign * remainders[a] ? b : a)
                    .orElseThrow();
            quotas[taken] += sign;
            remainders[taken] -= sign;
            left -= sign;
        }
        return quotas;
    }

    @Override
    public int length() {
        return sources.getFirst().length();
    }

    /**
     * {@inheritDoc} When mixing by weight, this is the total over all sources, although an epoch then repeats some
     * sequences and omits others.
     */
    @Override
    public long sequencesPerEpoch() {
        return sources.stream().mapToLong(TrainingSequences::sequencesPerEpoch).sum();
    }

    /** The source of a sequence, and the sequence's number in that source. */
    public record Turn(int source, long number) {}

    /** Returns the source of a sequence by its global number. */
    public Turn turn(long number) {
        if (number < 0) {
            throw new IndexOutOfBoundsException("sequence " + number);
        }
        long round = firstTurn[firstTurn.length - 1];
        long key = SplitMix64.epochKey(seed, number / round);
        long place = new Permutation(round, key).get(number % round);
        int found = Arrays.binarySearch(firstTurn, place);
        int source = found < 0 ? -found - 2 : found; // quotas are positive, so the values are distinct
        long quota = firstTurn[source + 1] - firstTurn[source];
        return new Turn(source, number / round * quota + place - firstTurn[source]);
    }

    @Override
    public void sequence(long number, int[] out) {
        Turn turn = turn(number);
        sources.get(turn.source).sequence(turn.number, out);
    }

    @Override
    public int[] documentStarts(long number) {
        Turn turn = turn(number);
        return sources.get(turn.source).documentStarts(turn.number);
    }
}
