package dev.moe4j.tensor;

import org.jspecify.annotations.Nullable;

/** What flows between sections on a {@link Tape}: a tensor, and in backward the sum of its consumers' gradients. */
public final class Value {

    private final Tensor tensor;
    private final boolean differentiable;
    private @Nullable Tensor gradient;

    Value(Tensor tensor, boolean differentiable) {
        this.tensor = tensor;
        this.differentiable = differentiable;
    }

    public Tensor tensor() {
        return tensor;
    }

    boolean differentiable() {
        return differentiable;
    }

    @Nullable
    Tensor gradient() {
        return gradient;
    }

    void gradient(@Nullable Tensor sum) {
        gradient = sum;
    }
}
