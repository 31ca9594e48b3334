package dev.moe4j.train.checkpoint;

/**
 * The best evaluation of a run so far.
 *
 * @param name the validation set
 * @param loss its loss in nats per token
 * @param step the step that was evaluated
 * @param since later evaluations, none of which was better
 */
public record BestEvaluation(String name, double loss, long step, int since) {}
