/**
 * Log-likelihoods of continuations. {@link FullScorer} scores requests in batches, and {@link PrefixScorer} also
 * computes common prefixes only once. Depends on {@code model} and {@code model.decode}.
 */
@Internal
@NullMarked
package dev.moe4j.eval.scoring;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
