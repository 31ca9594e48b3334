/**
 * The native library on the CPU: loading it, its threads, its instruction set. Used by {@code tensor} alone.
 * Depends on org.bytedeco.
 */
@Internal
@NullMarked
package dev.moe4j.tensor.cpu;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
