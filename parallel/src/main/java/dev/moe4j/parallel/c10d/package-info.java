/**
 * libtorch's c10d backends for collectives: {@link Gloo} for tensors on CPUs and {@link Nccl} for tensors on GPUs.
 * {@link CollectiveBackends} selects one. Depends on {@code parallel.layout} and org.bytedeco.
 */
@Internal
@NullMarked
package dev.moe4j.parallel.c10d;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
