package dev.moe4j.data.sample;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Sequences of several sources in turns.
 *
 * <p>The numbers are cut into rounds. In each round every source has a fixed number of turns, its quota, at places that
 * a permutation of the round decides; how often it was its turn before a number follows from the round and the place, so
 * the sequence follows from the number alone. By size, a round is an epoch and a source's quota all it has. By weight, a
 * round has {@link #ROUND} sequences, the quotas are the weights to that precision (but at least 1), and each source has
 * epochs of its own. Nothing but the quotas is kept in memory.
 */
public final class MixedSequences implements TrainingSequences {
    /** Sequences in a round of weighted sources. */
    public static final int ROUND = 1 << 16;

    private final List<TrainingSequences> sources;
    /** The sum of the quotas before each source, and behind the last one a round. */
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

    /** Of sources of one length, each sequence of which is seen once an epoch. */
    public static MixedSequences bySize(List<? extends TrainingSequences> sources, long seed) {
        long[] quotas =
                sources.stream().mapToLong(TrainingSequences::sequencesPerEpoch).toArray();
        return new MixedSequences(sources, quotas, seed);
    }

    /**
     * Of sources of one length, which have shares of the sequences.
     *
     * @param weights one for each source, above 0 and finite; only their ratios matter
     */
    public static MixedSequences byWeight(List<? extends TrainingSequences> sources, double[] weights, long seed) {
        return new MixedSequences(sources, quotas(weights), seed);
    }

    /** The largest remainders get what rounding down leaves; nobody gets nothing. */
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
        while (left != 0) { // below 0 where some were raised to 1
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

    /** {@inheritDoc} By weight it is as many as the sources have together, though some are then seen more than once. */
    @Override
    public long sequencesPerEpoch() {
        return sources.stream().mapToLong(TrainingSequences::sequencesPerEpoch).sum();
    }

    /** Of which source a sequence is, and its number there. */
    public record Turn(int source, long number) {}

    public Turn turn(long number) {
        if (number < 0) {
            throw new IndexOutOfBoundsException("sequence " + number);
        }
        long round = firstTurn[firstTurn.length - 1];
        long key = SplitMix64.epochKey(seed, number / round);
        long place = new Permutation(round, key).get(number % round);
        int found = Arrays.binarySearch(firstTurn, place);
        int source = found < 0 ? -found - 2 : found; // no quota is 0, so no two sources begin at one place
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
