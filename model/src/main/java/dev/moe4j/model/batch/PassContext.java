package dev.moe4j.model.batch;

import dev.moe4j.tensor.RandomKey;

/**
 * One run of a model over a batch: what differs between training and evaluation.
 *
 * @param training whether dropout acts and capacity is that of training
 * @param lossPerToken what each token's loss counts in the roots that backward starts from: one over the tokens of
 *     the whole step, times the loss scale
 * @param tokensPerSequence tokens with a loss of a sequence, in the mean over the whole step, by which balance losses are
 *     weighted however the step is divided; NaN where each batch counts by its own
 * @param key of this step's random numbers
 * @param sequences the global number of each sequence of the batch, which with the key decides its random numbers
 */
public record PassContext(
        boolean training, double lossPerToken, double tokensPerSequence, RandomKey key, long[] sequences) {

    /** A pass over a whole step, or over one of several batches whose sequences are of lengths of their own. */
    public PassContext(boolean training, double lossPerToken, RandomKey key, long[] sequences) {
        this(training, lossPerToken, Double.NaN, key, sequences);
    }

    /** The same pass over these sequences. */
    public PassContext withSequences(long... others) {
        return new PassContext(training, lossPerToken, tokensPerSequence, key, others);
    }

    /** A pass without dropout for a batch of that many sequences. */
    public static PassContext evaluation(int sequences) {
        return new PassContext(false, 1, new RandomKey(0), new long[sequences]);
    }
}
