package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import org.jspecify.annotations.Nullable;

/** What flows between sections on a {@link Tape}: a tensor, and in backward the sum of its consumers' gradients. */
public final class Value {

    private @Nullable Tensor tensor;
    private final boolean differentiable;
    private final @Nullable Runnable again;
    private boolean dropped;
    private @Nullable Tensor gradient;

    /**
     * @param again restores the tensor after {@link #drop}; null where nothing can
     */
    Value(Tensor tensor, boolean differentiable, @Nullable Runnable again) {
        this.tensor = tensor;
        this.differentiable = differentiable;
        this.again = again;
    }

    /** The tensor, which is computed again where it was dropped. */
    public Tensor tensor() {
        if (tensor == null && again != null) {
            again.run();
        }
        if (tensor == null) {
            throw new TensorException("a value is wanted that its tape has dropped");
        }
        return tensor;
    }

    boolean repeatable() {
        return again != null;
    }

    /** Frees the tensor until it is wanted. */
    void drop() {
        if (tensor != null) {
            tensor.close();
            tensor = null;
        }
        dropped = true;
    }

    /** Whether the tensor was dropped, even if it is here again. */
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
