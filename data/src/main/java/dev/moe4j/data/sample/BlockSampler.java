package dev.moe4j.data.sample;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.Objects;

/**
 * Blocks of one length, cut across documents.
 *
 * <p>The stream is cut into chunks of {@code length} ids. Chunk <i>c</i> has the inputs at {@code c·length …} and the
 * targets one further, so its last target is the next chunk's first input. Up to {@code length − 1} targets at the end of
 * the stream, which fill no chunk, are not used. Nothing is kept in memory.
 */
public final class BlockSampler implements TrainingSequences {
    private final DocumentStream stream;
    private final int length;
    private final long seed;
    private final long perEpoch;

    /**
     * A sampler.
     *
     * @param length ids that are predicted in a sequence, at least 1
     * @throws DataException if the stream has not {@code length + 1} ids
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

    /** Where a sequence begins in the stream, in ids. */
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

    /** As {@link #sequence(long, int[])}, from index {@code at}. */
    public void sequence(long number, int[] out, int at) {
        Objects.checkFromIndexSize(at, length + 1, out.length);
        stream.copyTokens(offset(number), out, at, length + 1);
    }

    @Override
    public int[] documentStarts(long number) {
        long first = offset(number) + 1; // the first target's place
        int[] starts = new int[length];
        int count = 0;
        for (long document = stream.firstDocumentFrom(first + 1); document < stream.documents(); document++) {
            long start = stream.documentStart(document) - first;
            if (start >= length) {
                break;
            }
            if (count == 0 || starts[count - 1] != start) { // else the document before is empty
                starts[count++] = (int) start;
            }
        }
        return Arrays.copyOf(starts, count);
    }
}
