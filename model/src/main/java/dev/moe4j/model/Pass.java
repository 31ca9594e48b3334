package dev.moe4j.model;

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
public record Pass(boolean training, double lossPerToken, double tokensPerSequence, RandomKey key, long[] sequences) {

    /** A pass over a whole step, or over one of several batches whose sequences are of lengths of their own. */
    public Pass(boolean training, double lossPerToken, RandomKey key, long[] sequences) {
        this(training, lossPerToken, Double.NaN, key, sequences);
    }

    /** The same pass over these sequences. */
    Pass withSequences(long... others) {
        return new Pass(training, lossPerToken, tokensPerSequence, key, others);
    }

    /** A pass without dropout for a batch of that many sequences. */
    public static Pass evaluation(int sequences) {
        return new Pass(false, 1, new RandomKey(0), new long[sequences]);
    }
}
