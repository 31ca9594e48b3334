package dev.moe4j.model.spec;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;

/** The activation function between the two linear layers of a feed-forward network. */
public enum Activation {
    /** The exact GELU, with the error function (Hendrycks and Gimpel 2016). */
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
    },
    /** x · sigmoid(x) (Elfwing et al. 2018), also called Swish. With a gated network it gives SwiGLU. */
    SILU {
        @Override
        public Tensor forward(Tensor x, Tensor result) {
            return Functions.silu(x, result);
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor x, Tensor result) {
            return Functions.siluBackward(gradient, x, result);
        }
    };

    /** Writes the activation of {@code x} to {@code result}, which has the same shape, and returns {@code result}. */
    public abstract Tensor forward(Tensor x, Tensor result);

    /**
     * Writes the gradient with respect to {@code x}, given the gradient of the activation, to {@code result} and
     * returns {@code result}.
     */
    public abstract Tensor backward(Tensor gradient, Tensor x, Tensor result);

    public Tensor forward(Tensor x) {
        return forward(x, x.emptyLike());
    }

    public Tensor backward(Tensor gradient, Tensor x) {
        return backward(gradient, x, x.emptyLike());
    }
}
