/**
 * A model's inputs. {@link TokenBatch} holds tokens, targets and padding, {@link Packing} the documents of packed
 * sequences, and {@link PassContext} a pass's mode, loss weights and random key. Depends on {@code tensor}.
 */
@NullMarked
package dev.moe4j.model.batch;

import org.jspecify.annotations.NullMarked;
