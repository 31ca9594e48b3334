/**
 * libtorch's native libraries on the CPU: loading, threads and instruction sets. Only the module {@code tensor} uses this
 * package. Depends on {@code base} and org.bytedeco.
 */
@Internal
@NullMarked
package dev.moe4j.tensor.cpu;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
