package dev.moe4j.model;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ObjIntConsumer;
import org.jspecify.annotations.Nullable;

/** Collects the outputs of a forward pass other than the residual stream. */
final class ForwardOutputs {
    /** Whether load balancing losses and routing figures are computed. */
    final boolean measured;

    /**
     * Receives each MoE layer's number of choices per expert {@code [experts]} and its index among the MoE layers; may
     * be null.
     */
    final @Nullable ObjIntConsumer<Tensor> load;

    final List<Value> hidden = new ArrayList<>();
    final List<Value> roots = new ArrayList<>();
    /** The layers' balance losses, if a transformation of their sum is still to be applied. */
    final List<Value> balances = new ArrayList<>();

    final List<LossReport.Routed> routing = new ArrayList<>();

    ForwardOutputs(boolean measured) {
        this(measured, null);
    }

    ForwardOutputs(boolean measured, @Nullable ObjIntConsumer<Tensor> load) {
        this.measured = measured;
        this.load = load;
    }
}
