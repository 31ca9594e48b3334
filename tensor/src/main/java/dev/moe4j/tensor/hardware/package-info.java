/**
 * The capabilities of a device: its peak rate of matrix products ({@link MatmulPeak}) and its default precision ({@link
 * AutoPrecision}). Depends on {@code tensor}, {@code tensor.cpu} and {@code tensor.cuda}.
 */
@NullMarked
package dev.moe4j.tensor.hardware;

import org.jspecify.annotations.NullMarked;
