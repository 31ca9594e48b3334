/**
 * The events of a training run, which {@link TrainingListener}s receive. {@link StepResult} and {@link TrainingProgress}
 * describe one step. {@link Metrics} writes metrics.jsonl, {@link TensorBoard} its events. Depends on {@code train.config} and {@code model.routing}.
 */
@NullMarked
package dev.moe4j.train.metrics;

import org.jspecify.annotations.NullMarked;
