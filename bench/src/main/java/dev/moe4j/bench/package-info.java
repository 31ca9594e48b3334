/**
 * Benchmarks: whole training steps, decoding, matrix products, memory, precision, data, checkpoint stalls; each
 * beside the peak that the same process measures. Depends on {@code train} and {@code serve}.
 */
@NullMarked
package dev.moe4j.bench;

import org.jspecify.annotations.NullMarked;
