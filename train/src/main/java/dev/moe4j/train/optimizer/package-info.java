/**
 * The optimizer {@link AdamW}, dynamic loss scaling for fp16 (mixed precision) and the guard against loss spikes.
 * Depends on {@code tensor.parameter}.
 */
@NullMarked
package dev.moe4j.train.optimizer;

import org.jspecify.annotations.NullMarked;
