/**
 * What a run reports: {@link StepResult} and {@link TrainingProgress} are records of a step; {@code Metrics}
 * writes metrics.jsonl and TensorBoard events. Depends on {@code train.config}.
 */
@NullMarked
package dev.moe4j.train.metrics;

import org.jspecify.annotations.NullMarked;
