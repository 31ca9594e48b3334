/**
 * libtorch made safe: {@link Tensor}, {@link Scope} (native memory in lexical scopes), {@link DType}, {@link
 * Device}, {@link Precision}, {@link RandomKey} (random numbers as a function of a key) and {@link Functions}
 * (operators of neural networks). {@link Libtorch} loads the native library. Depends on {@code tensor.cpu} and
 * org.bytedeco.
 */
@NullMarked
package dev.moe4j.tensor;

import org.jspecify.annotations.NullMarked;
