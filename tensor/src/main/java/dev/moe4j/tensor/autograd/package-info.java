/**
 * Automatic differentiation with a tape of sections. {@link Tape} runs the forward pass of each {@link Section} and then
 * visits the sections in reverse. Either libtorch's autograd or a hand-written backward pass gives a section's gradients.
 * The tape also implements activation recomputation and timing. Depends on {@code tensor}, {@code tensor.parameter} and
 * {@code tensor.cuda}.
 */
@NullMarked
package dev.moe4j.tensor.autograd;

import org.jspecify.annotations.NullMarked;
