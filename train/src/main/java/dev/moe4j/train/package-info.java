/**
 * Training: {@link Trainer} makes one update, with gradient accumulation over micro-batches, loss scaling and
 * spike guard; {@link TrainingRun} makes a run of them, with validation, checkpoints and resume. Depends on the
 * packages below and {@code eval}.
 */
@NullMarked
package dev.moe4j.train;

import org.jspecify.annotations.NullMarked;
