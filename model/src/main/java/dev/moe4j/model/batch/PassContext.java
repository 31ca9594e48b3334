package dev.moe4j.model.batch;

import dev.moe4j.tensor.RandomKey;

/**
 * The context of one pass over a batch: training or evaluation, the loss weights, and the random key.
 *
 * @param training whether dropout is active and the training capacity applies
 * @param lossPerToken the weight of each token's loss in the roots that backward starts from: the loss scale divided by
 *     the number of tokens of the complete step
 * @param tokensPerSequence the step's mean number of tokens with a loss per sequence. It weights the balance losses, so
 *     they do not depend on how the step is divided into micro-batches. NaN: each batch counts its own targets.
 * @param key the step's random key
 * @param sequences each sequence's global number, which together with the key determines its random numbers
 */
public record PassContext(
        boolean training, double lossPerToken, double tokensPerSequence, RandomKey key, long[] sequences) {

    /** A pass over a complete step, or over one of several batches of different sequence lengths. */
    public PassContext(boolean training, double lossPerToken, RandomKey key, long[] sequences) {
        this(training, lossPerToken, Double.NaN, key, sequences);
    }

    /** The same pass over other sequences. */
    public PassContext withSequences(long... others) {
        return new PassContext(training, lossPerToken, tokensPerSequence, key, others);
    }

    /** An evaluation pass, without dropout, for a batch of the given number of sequences. */
    public static PassContext evaluation(int sequences) {
        return new PassContext(false, 1, new RandomKey(0), new long[sequences]);
    }
}
