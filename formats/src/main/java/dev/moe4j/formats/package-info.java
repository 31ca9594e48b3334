/**
 * File formats as bytes, independent of tensors. Each subpackage reads and writes one format. Reading a file that violates
 * its format throws {@link FormatException}. Depends on {@code base}.
 */
@NullMarked
package dev.moe4j.formats;

import org.jspecify.annotations.NullMarked;
