/**
 * Training. {@link Trainer} performs steps with gradient accumulation over micro-batches, mixed precision loss scaling
 * and a spike guard. {@link TrainingRun} trains from prepared data to checkpoints, with validation and resume. Depends
 * on the packages below and on {@code eval}.
 */
@NullMarked
package dev.moe4j.train;

import org.jspecify.annotations.NullMarked;
