/**
 * The commands {@code moe4j prepare}, {@code moe4j data} and {@code moe4j tokenizer}. Depends on {@code console}
 * and {@code data}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.data;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
