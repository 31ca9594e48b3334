/**
 * Before a run: {@link Plan} estimates the memory, time, energy and cost of a run on named devices; {@link
 * LayoutSearch} finds the fastest layout on a {@link Cluster} by a model of the time of a step ({@link StepTime}).
 * Depends on {@code model.cost} and {@code train.config}.
 */
@NullMarked
package dev.moe4j.plan;

import org.jspecify.annotations.NullMarked;
