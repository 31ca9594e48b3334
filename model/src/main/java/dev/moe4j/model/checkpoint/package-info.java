/**
 * Model checkpoints. {@link CheckpointReader} opens a folder, written by any number of processes. {@link
 * CheckpointTensors} maps tensors to their names in files. docs/checkpoint-format.md describes the format. Depends on
 * {@code model} and {@code formats}.
 */
@NullMarked
package dev.moe4j.model.checkpoint;

import org.jspecify.annotations.NullMarked;
