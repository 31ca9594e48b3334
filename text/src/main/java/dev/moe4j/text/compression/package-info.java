/**
 * Streams of gzip, zstd and xz files, which fail where a file is truncated or has trailing data. Depends on
 * zstd-jni and xz.
 */
@Internal
@NullMarked
package dev.moe4j.text.compression;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
