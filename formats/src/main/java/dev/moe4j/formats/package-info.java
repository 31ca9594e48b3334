/**
 * File formats as bytes, without a tensor. A file that contradicts its format is a {@link FormatException}. The
 * packages below hold one format each. Depends on {@code base}.
 */
@NullMarked
package dev.moe4j.formats;

import org.jspecify.annotations.NullMarked;
