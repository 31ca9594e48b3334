/**
 * The optimizer {@link AdamW}, dynamic loss scaling for fp16 mixed precision ({@link LossScale}) and the guard against
 * loss spikes ({@link SpikeGuard}). Depends on {@code tensor.parameter} and {@code train.config}.
 */
@NullMarked
package dev.moe4j.train.optimizer;

import org.jspecify.annotations.NullMarked;
