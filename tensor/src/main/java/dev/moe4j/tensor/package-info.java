/**
 * A safe interface to libtorch. {@link Tensor} is an array with its operators, {@link Functions} has the operators of
 * neural networks, and {@link Scope} frees native memory at the end of a block. {@link DType}, {@link Device} and {@link
 * Precision} (mixed precision) say how and where to compute. {@link RandomKey} derives random numbers from keys. {@link
 * Libtorch} loads the native library. Depends on {@code tensor.cpu}, {@code base} and org.bytedeco.
 */
@NullMarked
package dev.moe4j.tensor;

import org.jspecify.annotations.NullMarked;
