/**
 * Text processing before training: file formats, tokenizers and document selection, one package each.
 * {@link dev.moe4j.text.DataException} is the exception of this module and of {@code data}.
 * {@link dev.moe4j.text.OrderedExecutor} runs parallel work with results in a fixed order. Depends on {@code base}.
 */
@NullMarked
package dev.moe4j.text;

import org.jspecify.annotations.NullMarked;
