package dev.moe4j.model.spec;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;

/** The non-linearity between the two products of a feed-forward network. */
public enum Activation {
    /** With the error function (Hendrycks and Gimpel 2016). */
    GELU {
        @Override
        public Tensor forward(Tensor x, Tensor result) {
            return Functions.gelu(x, result);
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor x, Tensor result) {
            return Functions.geluBackward(gradient, x, result);
        }
    },
    RELU {
        @Override
        public Tensor forward(Tensor x, Tensor result) {
            return Functions.relu(x, result);
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor x, Tensor result) {
            return Functions.reluBackward(gradient, x, result);
        }
    };

    /** Writes what it makes of {@code x} to {@code result}, of the same shape, and returns that. */
    public abstract Tensor forward(Tensor x, Tensor result);

    /** Writes the gradient at {@code x}, given that of the result, to {@code result} and returns that. */
    public abstract Tensor backward(Tensor gradient, Tensor x, Tensor result);

    public Tensor forward(Tensor x) {
        return forward(x, x.emptyLike());
    }

    public Tensor backward(Tensor gradient, Tensor x) {
        return backward(gradient, x, x.emptyLike());
    }
}
