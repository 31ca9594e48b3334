/**
 * What a model is given: {@link TokenBatch} (tokens, targets, padding) and {@link PassContext} (seed and position
 * of a pass, for dropout). Depends on {@code tensor}.
 */
@NullMarked
package dev.moe4j.model.batch;

import org.jspecify.annotations.NullMarked;
