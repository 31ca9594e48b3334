/**
 * Text before it is tokens: tokenizers, files and formats, selection of documents. {@link DataException} is the
 * failure of this module and of {@code data}. The packages below hold one subject each. Depends on {@code base}.
 */
@NullMarked
package dev.moe4j.text;

import org.jspecify.annotations.NullMarked;
