/**
 * Log-probabilities of continuations: {@code Scorer} scores many requests in batches, {@code PrefixScorer}
 * computes common prefixes once. Depends on {@code model.decode}.
 */
@Internal
@NullMarked
package dev.moe4j.eval.scoring;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
