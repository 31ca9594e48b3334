package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * A part of a model that maps values to values: embedding, attention, routing, experts, head. A {@link Tape} runs
 * sections forward and, in reverse, backward.
 */
public sealed interface Section {

    /** The section's name in timings and messages, such as {@code layers.3.attention}. */
    String name();

    /** All parameters that the section uses. */
    List<Parameter> parameters();

    /**
     * A section whose gradients libtorch's autograd derives from the forward pass. The section reads its parameters by
     * {@link Parameter#tensor()}.
     */
    non-sealed interface Autograd extends Section {

        Tensor[] forward(Tensor... inputs);
    }

    /**
     * A section with a hand-written backward pass. Such sections communicate between processes, use fused kernels, or save
     * less memory than libtorch's autograd would.
     */
    non-sealed interface CustomBackward extends Section {

        /**
         * Computes the outputs.
         *
         * @param saved receives the tensors that the backward pass needs
         */
        Tensor[] forward(SavedTensors saved, Tensor... inputs);

        /**
         * Returns the gradients of the inputs in their order; null for an input without a gradient. Adds the gradients of
         * the parameters by {@link Parameter#addGradient}.
         *
         * @param saved the tensors that the forward pass saved
         * @param gradients the gradients of the outputs in their order; null for an output that nothing used
         */
        @org.jspecify.annotations.Nullable
        Tensor[] backward(SavedTensors saved, @org.jspecify.annotations.Nullable Tensor... gradients);
    }
}
