/**
 * The command {@code moe4j plan}. Depends on {@code console} and {@code plan}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.plan;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
