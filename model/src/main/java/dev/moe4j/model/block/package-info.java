/**
 * The dense parts of a Transformer block: layer norms, attention and its masks, the feed-forward network, embedding,
 * positions, dropout and the output head. Each is a section of the tape. Depends on {@code model.batch} and {@code
 * tensor.autograd}.
 */
@Internal
@NullMarked
package dev.moe4j.model.block;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
