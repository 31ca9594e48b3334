package dev.moe4j.train.metrics;

import java.util.SequencedMap;

/**
 * One step as a progress line shows it.
 *
 * @param steps of the whole run
 * @param tokensPerSecond over the steps since the last report
 * @param utilization useful floating-point operations over the matmul peak of this process
 * @param evaluation nats per token on each validation set; empty where this step was not evaluated
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
