package dev.moe4j.data.sample;

/**
 * Provides training sequences by global number. A sequence is a pure function of (seed, number). A resumed run, and any
 * number of processes, therefore see the same data in the same order, without reading past data first. Instances are
 * safe for concurrent use.
 */
public sealed interface TrainingSequences permits BlockSampler, DocumentSampler, MixedSequences {

    /** The padding after the end of a sequence. */
    int NONE = EvalWindows.NO_TARGET;

    /** Returns the maximum number of predicted tokens in a sequence. */
    int length();

    /**
     * Returns the number of sequences in an epoch. An epoch has each sequence once, in an order that depends on the seed
     * and the epoch.
     */
    long sequencesPerEpoch();

    /**
     * Copies a sequence.
     *
     * @param number the global number, from 0 and unbounded
     * @param out receives {@code [length + 1]} tokens. The first {@code length} are the inputs, and the last {@code length}
     *     are the targets. Positions after the end of the sequence get {@link #NONE}.
     */
    void sequence(long number, int[] out);

    /**
     * Returns the document boundaries within a sequence, as increasing indexes of inputs: the start of each document after
     * the first, and the end of the last document if the sequence is not full. The first input of a document is the
     * preceding end of text, which predicts the document's first token.
     */
    int[] documentStarts(long number);
}
