package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import org.jspecify.annotations.Nullable;

/** An input or output of sections on a {@link Tape}: a tensor, and during the backward pass its gradient. */
public final class Value {

    private @Nullable Tensor tensor;
    private final boolean differentiable;
    private final @Nullable Runnable recompute;
    private boolean dropped;
    private @Nullable Tensor gradient;

    /**
     * @param recompute restores the tensor after {@link #drop}; null if it cannot be recomputed
     */
    Value(Tensor tensor, boolean differentiable, @Nullable Runnable recompute) {
        this.tensor = tensor;
        this.differentiable = differentiable;
        this.recompute = recompute;
    }

    /**
     * The tensor. If it was dropped, this recomputes it.
     *
     * @throws TensorException if it was dropped and cannot be recomputed
     */
    public Tensor tensor() {
        if (tensor == null && recompute != null) {
            recompute.run();
        }
        if (tensor == null) {
            throw new TensorException("a value was used after its tape dropped it");
        }
        return tensor;
    }

    boolean recomputable() {
        return recompute != null;
    }

    /** Frees the tensor until its next use. */
    void drop() {
        if (tensor != null) {
            tensor.close();
            tensor = null;
        }
        dropped = true;
    }

    /** Whether the tensor was ever dropped, even if it has been recomputed since. */
    boolean dropped() {
        return dropped;
    }

    void restore(Tensor same) {
        tensor = same;
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
