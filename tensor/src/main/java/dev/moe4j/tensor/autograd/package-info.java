/**
 * Automatic differentiation by a tape of sections: {@link Tape} runs a {@link Section} forward on detached inputs
 * and walks the sections in reverse. A section is differentiated by libtorch or by its own backward pass;
 * activation recomputation and timing follow from it. Depends on {@code tensor.parameter}.
 */
@NullMarked
package dev.moe4j.tensor.autograd;

import org.jspecify.annotations.NullMarked;
