/**
 * Checkpoints of training runs. {@link CheckpointWriter} writes model, optimizer and training state atomically, {@link
 * CheckpointSaver} does so in the background, and {@link ModelFolders} stores models without training state. Depends on
 * {@code model.checkpoint} and {@code train.config}.
 */
@NullMarked
package dev.moe4j.train.checkpoint;

import org.jspecify.annotations.NullMarked;
