/**
 * The reports of a training run. {@link StepResult} and {@link TrainingProgress} describe one step. {@link Metrics}
 * writes metrics.jsonl and TensorBoard events. Depends on {@code train.config} and {@code model.routing}.
 */
@NullMarked
package dev.moe4j.train.metrics;

import org.jspecify.annotations.NullMarked;
