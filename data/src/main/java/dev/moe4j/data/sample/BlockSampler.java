package dev.moe4j.data.sample;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.Objects;

/**
 * Cuts a token stream into training sequences of equal length, regardless of document boundaries.
 *
 * <p>The stream is divided into chunks of {@code length} tokens. The inputs of chunk <i>c</i> start at {@code c·length},
 * and its targets start one token later, so its last target is the first input of the next chunk. Up to {@code length − 1}
 * targets at the end of the stream do not fill a chunk and are not used. The sampler keeps no tokens in memory.
 */
public final class BlockSampler implements TrainingSequences {
    private final DocumentStream stream;
    private final int length;
    private final long seed;
    private final long perEpoch;

    /**
     * Creates a sampler.
     *
     * @param length the number of predicted tokens in a sequence, at least 1
     * @param seed the seed of the order of the sequences
     * @throws DataException if {@code length} is below 1, or the stream has fewer than {@code length + 1} tokens
     */
    public BlockSampler(DocumentStream stream, int length, long seed) {
        if (length < 1) {
            throw new DataException("cannot cut sequences of " + length + " tokens; give at least 1");
        }
        if (stream.tokens() < length + 1L) {
            throw new DataException("the text has " + stream.tokens() + " tokens, too few for one sequence of " + length
                    + " and its targets; give more text or set a smaller model.context");
        }
        this.stream = stream;
        this.length = length;
        this.seed = seed;
        this.perEpoch = (stream.tokens() - 1) / length;
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public long sequencesPerEpoch() {
        return perEpoch;
    }

    /** Returns the position in the stream at which a sequence begins, in tokens. */
    public long offset(long number) {
        if (number < 0) {
            throw new IndexOutOfBoundsException("sequence " + number);
        }
        long key = SplitMix64.epochKey(seed, number / perEpoch);
        return new Permutation(perEpoch, key).get(number % perEpoch) * length;
    }

    @Override
    public void sequence(long number, int[] out) {
        sequence(number, out, 0);
    }

    /** Like {@link #sequence(long, int[])}, but writes from index {@code at} of {@code out}. */
    public void sequence(long number, int[] out, int at) {
        Objects.checkFromIndexSize(at, length + 1, out.length);
        stream.copyTokens(offset(number), out, at, length + 1);
    }

    @Override
    public int[] documentStarts(long number) {
        long first = offset(number) + 1; // the position of the first target
        int[] starts = new int[length];
        int count = 0;
        for (long document = stream.firstDocumentFrom(first + 1); document < stream.documents(); document++) {
            long start = stream.documentStart(document) - first;
            if (start >= length) {
                break;
            }
            if (count == 0 || starts[count - 1] != start) { // otherwise the previous document is empty
                starts[count++] = (int) start;
            }
        }
        return Arrays.copyOf(starts, count);
    }
}
