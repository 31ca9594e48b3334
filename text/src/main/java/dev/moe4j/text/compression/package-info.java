/**
 * Decompression of gzip, zstd and xz streams. A truncated file or trailing data is an error. {@link
 * dev.moe4j.text.compression.Compression} detects the format and opens a stream. Depends on zstd-jni and xz.
 */
@Internal
@NullMarked
package dev.moe4j.text.compression;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
