package dev.moe4j.train.config;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Evaluation during training. Configuration keys are these names in snake case under {@code evaluation}.
 *
 * @param every steps between two evaluations; 0 disables evaluation. The last step is evaluated too
 * @param windows windows of the model's context to score in each set, spread evenly; 0 scores complete sets
 * @param sets folders of prepared text, by their name in the metrics. The first decides which checkpoint is best.
 *     Empty: the run's own held-out text, named {@code valid}
 * @param patience consecutive evaluations without a better loss after which the run ends; 0 never ends it
 */
public record EvaluationConfig(long every, int windows, Map<String, Path> sets, int patience) {

    public static final EvaluationConfig NONE = new EvaluationConfig(0, 0, Map.of(), 0);

    public EvaluationConfig {
        sets = Collections.unmodifiableMap(new LinkedHashMap<>(sets));
        if (every < 0 || windows < 0 || patience < 0) {
            throw new TrainException("evaluation: every, windows and patience must not be negative");
        }
        if (patience > 0 && every == 0) {
            throw new TrainException("evaluation.patience: " + patience
                    + " has no effect while evaluation is off; set evaluation.every too, or set patience to 0");
        }
        for (String name : sets.keySet()) {
            if (!name.matches("[a-z][a-z0-9_]*")) {
                throw new TrainException("evaluation.sets: '" + name
                        + "' is not a valid name for metrics.jsonl; use lower-case letters, digits and _");
            }
        }
    }
}
