/**
 * What a device can do: its matmul peak ({@link MatmulPeak}) and the precision that suits its instructions ({@link
 * AutoPrecision}). Depends on {@code tensor.cuda}.
 */
@NullMarked
package dev.moe4j.tensor.hardware;

import org.jspecify.annotations.NullMarked;
