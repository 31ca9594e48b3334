/**
 * CUDA beyond libtorch: fused kernels that NVRTC compiles at run time ({@link Kernels}), the driver API ({@link
 * CudaDriver}), peak memory of tensors ({@link CudaMemory}). Depends on {@code tensor}.
 */
@NullMarked
package dev.moe4j.tensor.cuda;

import org.jspecify.annotations.NullMarked;
