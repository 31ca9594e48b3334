package dev.moe4j.train.metrics;

/**
 * A step's result, with the state of the run, for metrics.
 *
 * @param progress the step's result
 * @param tokens tokens trained on so far
 * @param seconds seconds of training so far
 * @param dataWaitSeconds seconds that training waited for data since the previous report
 * @param stalledSeconds seconds that training waited for checkpoints since the previous report
 * @param exchangeSeconds seconds that training waited for other processes since the previous report
 */
public record TrainingReport(
        TrainingProgress progress,
        long tokens,
        double seconds,
        double dataWaitSeconds,
        double stalledSeconds,
        double exchangeSeconds) {}
