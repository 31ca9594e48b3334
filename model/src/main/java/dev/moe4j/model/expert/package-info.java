/**
 * The experts of a mixture-of-experts layer: dispatch of token rows, the expert networks (one by one, in blocks on a
 * CPU, or as grouped products on a GPU), and the weighted combine. Depends on {@code model.routing}.
 */
@Internal
@NullMarked
package dev.moe4j.model.expert;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
