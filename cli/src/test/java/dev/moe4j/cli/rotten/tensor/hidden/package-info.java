/** An internal package. */
@Internal
@NullMarked
package dev.moe4j.cli.rotten.tensor.hidden;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
