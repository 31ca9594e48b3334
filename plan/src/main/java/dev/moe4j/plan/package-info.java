/**
 * Planning of training runs. {@link Plan} estimates the memory, time, energy and communication of a run on named
 * devices. {@link LayoutSearch} finds the fastest layout on a {@link Cluster} with a model of the step time ({@link
 * StepTime}). Depends on {@code model.cost} and {@code train.config}.
 */
@NullMarked
package dev.moe4j.plan;

import org.jspecify.annotations.NullMarked;
