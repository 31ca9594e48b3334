/**
 * The commands {@code moe4j eval} and {@code moe4j finetune}. Depends on {@code console}, {@code eval} and
 * {@code finetune}.
 */
@Internal
@NullMarked
package dev.moe4j.cli.eval;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
