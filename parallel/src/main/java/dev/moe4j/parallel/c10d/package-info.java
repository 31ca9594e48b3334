/**
 * The backends of libtorch for collectives: gloo on CPUs and NCCL on GPUs. Depends on org.bytedeco.
 */
@Internal
@NullMarked
package dev.moe4j.parallel.c10d;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
