package dev.moe4j.train.config;

/**
 * How often a run logs metrics. Configuration keys are these names in snake case under {@code log}.
 *
 * @param every steps between two lines of metrics.jsonl
 */
public record LogConfig(int every) {

    public LogConfig {
        if (every < 1) {
            throw new TrainException("log.every: " + every + " is too small; use at least 1");
        }
    }
}
