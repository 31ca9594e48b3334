/**
 * The commands {@code moe4j train} and {@code moe4j launch}, and the terminal view of a training run. Depends on
 * {@code console} and {@code train}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.train;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
