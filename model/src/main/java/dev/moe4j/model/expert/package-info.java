/**
 * The experts of a mixture layer: dispatch of token rows, the expert networks (one by one, or in blocks on the
 * CPU, or as grouped products on a GPU), and the weighted combination. Depends on {@code model.routing}.
 */
@Internal
@NullMarked
package dev.moe4j.model.expert;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
