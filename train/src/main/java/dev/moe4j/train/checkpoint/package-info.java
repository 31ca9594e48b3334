/**
 * Checkpoints of runs: {@link CheckpointWriter} writes model, optimizer and data position atomically, {@code
 * CheckpointSaver} does so in the background, {@link ModelFolders} finds the newest. Depends on {@code
 * model.checkpoint}.
 */
@NullMarked
package dev.moe4j.train.checkpoint;

import org.jspecify.annotations.NullMarked;
