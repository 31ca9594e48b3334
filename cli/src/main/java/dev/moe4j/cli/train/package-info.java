/**
 * {@code moe4j train} and {@code moe4j launch}, with the terminal view of a run. Depends on {@code console} and
 * {@code train}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.train;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
