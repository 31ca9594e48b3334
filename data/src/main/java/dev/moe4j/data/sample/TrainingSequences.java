package dev.moe4j.data.sample;

/**
 * Training sequences by their global number: pure functions of (seed, number), so that resuming and any number of
 * processes see the same data in the same order, and nothing has to be read up to a place to go on from it. Safe for use
 * by many threads.
 */
public sealed interface TrainingSequences permits BlockSampler, DocumentSampler, MixedSequences {

    /** Stands where a sequence has no token: behind its end only. */
    int NONE = EvalWindows.NO_TARGET;

    /** The ids that are predicted in a sequence, at most. */
    int length();

    /** The sequences of an epoch, in which each is seen once, in an order that depends on the seed and the epoch. */
    long sequencesPerEpoch();

    /**
     * A sequence.
     *
     * @param number its global number, from 0, without end
     * @param out takes {@code length + 1} ids: the inputs are the first {@code length}, the targets the last {@code
     *     length}; {@link #NONE} behind the sequence's end
     */
    void sequence(long number, int[] out);

    /**
     * Where in a sequence documents begin after the one that it begins in, as indexes of inputs, rising; and where it
     * ends, if it is not full. The first input of a document is the end of text before it, which predicts its first id.
     */
    int[] documentStarts(long number);
}
