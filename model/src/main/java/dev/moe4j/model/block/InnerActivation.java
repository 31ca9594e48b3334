package dev.moe4j.model.block;

import dev.moe4j.model.spec.Activation;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Tensor;

/**
 * The function between the two linear layers of a feed-forward network, dense or in an expert.
 *
 * @param activation the activation
 * @param gated whether fc1 has a gate and a value for each inner element, with all gates first. The result is then
 *     activation(gate) · value, as in SwiGLU (Shazeer 2020).
 */
public record InnerActivation(Activation activation, boolean gated) {

    /** The most elements of fc1's output in a task on a CPU: 1 MiB in float32. */
    private static final long TASK_ELEMENTS = 1 << 18;

    /** The columns of fc1's output for each column of the result: 2 if gated, else 1. */
    public int columns() {
        return gated ? 2 : 1;
    }

    /** Writes the result {@code [rows, ffn]} of fc1's output to {@code result_NF} and returns it. */
    public Tensor forward(Tensor inner, Tensor result_NF) {
        if (!gated) {
            return activation.forward(inner, result_NF);
        }
        long ffn = result_NF.size(1);
        tasks(
                inner,
                (first, rows) -> activeGate(inner.narrow(0, first, rows), result_NF.narrow(0, first, rows))
                        .mulInPlace(inner.narrow(0, first, rows).narrow(1, ffn, ffn)));
        return result_NF;
    }

    /** Writes the activation of the gates to {@code result_NF} and returns it. */
    private Tensor activeGate(Tensor inner, Tensor result_NF) {
        // On contiguous rows, because libtorch computes other roundings, and more slowly, on strided ones.
        result_NF.copy(inner.narrow(1, 0, result_NF.size(1)));
        return activation.forward(result_NF, result_NF);
    }

    /** The result {@code [rows, ffn]} of fc1's output. */
    public Tensor forward(Tensor inner) {
        return forward(inner, Tensor.empty(inner.dtype(), inner.device(), inner.size(0), inner.size(1) / columns()));
    }

    /**
     * Writes the gradient of fc1's output to {@code result} and returns it.
     *
     * @param gradient_NF the gradient of the result; if not gated, it may be {@code result}
     */
    public Tensor backward(Tensor gradient_NF, Tensor inner, Tensor result) {
        if (!gated) {
            return activation.backward(gradient_NF, inner, result);
        }
        tasks(
                inner,
                (first, rows) -> gatedBackward(
                        gradient_NF.narrow(0, first, rows),
                        inner.narrow(0, first, rows),
                        result.narrow(0, first, rows)));
        return result;
    }

    private void gatedBackward(Tensor gradient_NF, Tensor inner, Tensor result) {
        long ffn = gradient_NF.size(1);
        Tensor active_NF = activeGate(inner, Tensor.empty(inner.dtype(), inner.device(), gradient_NF.shape()));
        result.narrow(1, ffn, ffn).setToProductOfElements(gradient_NF, active_NF);
        // The activation's result is not needed any more, so its memory takes the gradient of the gate's activation.
        active_NF.setToProductOfElements(gradient_NF, inner.narrow(1, ffn, ffn));
        activation.backward(active_NF, inner.narrow(1, 0, ffn), result.narrow(1, 0, ffn));
    }

    /** The gradient of fc1's output, {@code [rows, ffn]}, or {@code [rows, 2 · ffn]} if gated. */
    public Tensor backward(Tensor gradient_NF, Tensor inner) {
        return backward(gradient_NF, inner, inner.emptyLike());
    }

    private interface RowsTask {
        void run(long first, long rows);
    }

    /**
     * Runs a task on all rows. On a CPU, a task computes some rows, whose intermediate values stay in the core's cache; on
     * a GPU, all rows.
     */
    private static void tasks(Tensor inner, RowsTask task) {
        long count = inner.size(0);
        long rows = inner.device().isCuda() ? Math.max(1, count) : Math.max(1, TASK_ELEMENTS / inner.size(1));
        ParallelTasks.run((int) Math.ceilDiv(count, rows), i -> task.run(i * rows, Math.min(rows, count - i * rows)));
    }
}
