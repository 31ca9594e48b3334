/**
 * The components of a Transformer block and the sections that compute them. Components hold parameters: {@link Attention},
 * {@link FeedForward}, {@link Norm} and {@link Linear}. Sections run on a tape: embedding, attention in several
 * implementations, norms, feed-forward network and head. Also positions ({@link Rotation}, {@link SinusoidalPositions}), masks
 * and dropout. Depends on {@code model.spec}, {@code model.batch} and {@code tensor.autograd}.
 */
@Internal
@NullMarked
package dev.moe4j.model.block;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
