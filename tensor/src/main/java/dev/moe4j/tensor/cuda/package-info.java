/**
 * CUDA: kernels compiled at run time by NVRTC ({@link Kernels}), the driver interface, free memory ({@link
 * CudaMemory}). Depends on {@code tensor}.
 */
@NullMarked
package dev.moe4j.tensor.cuda;

import org.jspecify.annotations.NullMarked;
