package dev.moe4j.model;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ObjIntConsumer;
import org.jspecify.annotations.Nullable;

/** What a pass collects on its way beside the residual stream. */
final class ForwardOutputs {
    /** Whether anybody asks for balance losses and routers' figures. */
    final boolean measured;

    /** Hears of each mixture, numbered among themselves, how many choices its experts got, {@code [experts]}; null: nobody. */
    final @Nullable ObjIntConsumer<Tensor> load;

    final List<Value> hidden = new ArrayList<>();
    final List<Value> roots = new ArrayList<>();
    /** The layers' shares of a balance loss that is yet to be transformed. */
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
