package dev.moe4j.train.metrics;

import java.util.SequencedMap;

/**
 * The progress of a run after a step.
 *
 * @param result the step's result
 * @param steps length of the complete run in steps
 * @param tokensPerSecond the rate over the steps since the last report
 * @param utilization model FLOPs utilization: the rate relative to {@code MatmulPeak}'s peak of matrix products
 * @param evaluation each validation set's loss in nats per token, by name; empty if this step was not evaluated
 */
public record TrainingProgress(
        StepResult result,
        long steps,
        double tokensPerSecond,
        double utilization,
        SequencedMap<String, Double> evaluation) {

    public TrainingProgress withEvaluation(SequencedMap<String, Double> losses) {
        return new TrainingProgress(result, steps, tokensPerSecond, utilization, losses);
    }
}
