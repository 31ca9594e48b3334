package dev.moe4j.train.checkpoint;

/**
 * The best evaluation of a run so far.
 *
 * @param name of the validation set
 * @param loss nats per token
 * @param step after which it was made
 * @param since evaluations after it, none of them better
 */
public record BestEvaluation(String name, double loss, long step, int since) {}
