/**
 * Checkpoints of models: {@link CheckpointReader} opens a folder that any layout has written, {@link
 * CheckpointTensors} lists tensors by global names. docs/checkpoint-format.md is the format. Depends on {@code
 * model} and {@code formats}.
 */
@NullMarked
package dev.moe4j.model.checkpoint;

import org.jspecify.annotations.NullMarked;
