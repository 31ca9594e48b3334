/**
 * The commands {@code moe4j generate} and {@code moe4j serve}. Depends on {@code console} and {@code serve}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.serve;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
