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

    /** The parameters that the section uses, all of them. */
    List<Parameter> parameters();

    /**
     * A section whose gradients libtorch derives from its forward pass. Parameters are read by {@link
     * Parameter#tensor()}.
     */
    non-sealed interface Derived extends Section {

        Tensor[] forward(Tensor... inputs);
    }

    /**
     * A section with a backward pass of its own: exchanges between processes, fused products, anything that libtorch
     * would differentiate less well.
     */
    non-sealed interface Written extends Section {

        /**
         * @param saved keeps what backward needs
         */
        Tensor[] forward(Saved saved, Tensor... inputs);

        /**
         * Returns the gradients of the inputs, in their order, null where there is none; adds those of its parameters
         * by {@link Parameter#addGradient}.
         *
         * @param gradients those of the outputs, in their order; null where nothing used one
         */
        @org.jspecify.annotations.Nullable
        Tensor[] backward(Saved saved, @org.jspecify.annotations.Nullable Tensor... gradients);
    }
}
