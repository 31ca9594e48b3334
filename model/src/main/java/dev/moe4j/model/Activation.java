package dev.moe4j.model;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;

/** The non-linearity between the two products of a feed-forward network. */
public enum Activation {
    /** With the error function (Hendrycks and Gimpel 2016). */
    GELU {
        @Override
        Tensor forward(Tensor x) {
            return Functions.gelu(x);
        }

        @Override
        Tensor backward(Tensor gradient, Tensor x) {
            return Functions.geluBackward(gradient, x);
        }
    },
    RELU {
        @Override
        Tensor forward(Tensor x) {
            return Functions.relu(x);
        }

        @Override
        Tensor backward(Tensor gradient, Tensor x) {
            return Functions.reluBackward(gradient, x);
        }
    };

    abstract Tensor forward(Tensor x);

    /** The gradient at {@code x}, given that of the result. */
    abstract Tensor backward(Tensor gradient, Tensor x);
}
