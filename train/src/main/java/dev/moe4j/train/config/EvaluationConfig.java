package dev.moe4j.train.config;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Evaluation while a run trains. Configuration keys are these names in snake case under {@code evaluation}.
 *
 * @param every steps between two evaluations; 0 makes none. The last step is evaluated too
 * @param windows of the model's context that are scored of each set, spread evenly; 0 scores whole sets
 * @param sets folders of prepared text by the name that metrics have for them, the first of which decides which
 *     checkpoint is best; where there is none, the run's own held-out text under the name {@code valid}
 * @param patience evaluations in a row without a better loss after which the run ends; 0 never ends it
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
                    + " evaluations never come to pass; set evaluation.every too, or patience to 0");
        }
        for (String name : sets.keySet()) {
            if (!name.matches("[a-z][a-z0-9_]*")) {
                throw new TrainException("evaluation.sets: '" + name
                        + "' would be no name in metrics.jsonl; use lower-case letters, digits and _");
            }
        }
    }
}
