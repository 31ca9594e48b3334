package dev.moe4j.model;

import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.RoutingFigures;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.autograd.Value;
import java.util.List;

/**
 * The result of a forward pass: the loss to differentiate, per-token losses, and routing figures.
 *
 * @param roots scalars whose sum is the loss, from which backward starts
 * @param nll each token's negative log-likelihood in nats, {@code [tokens]}; 0 for positions without a target
 * @param hidden the residual stream before the first layer and after each layer, {@code [tokens, model]} each
 * @param routed the routing figures of each MoE layer, in order
 */
public record LossReport(List<Value> roots, Value nll, List<Value> hidden, List<Routed> routed) {

    /**
     * One router's figures, which may still be on the device.
     *
     * @param layer the layer's index, from 0
     */
    record Routed(int layer, RoutingFigures figures) {}

    /**
     * The deferred scalars that {@link #routing} reads. A caller with more deferred scalars should read all of them in
     * one call. The tape owns them.
     */
    public List<DeferredScalars> figures() {
        return routed.stream().map(layer -> layer.figures().scalars()).toList();
    }

    /**
     * The routing report of each MoE layer, in order. Reads the figures from the device if nothing has read them yet;
     * the tape must still be open.
     */
    public List<LayerRouting> routing() {
        DeferredScalars.read(figures());
        return routed.stream().map(layer -> layer.figures().read(layer.layer())).toList();
    }

    /**
     * Reports over all members of a group. Each member must have routed the same number of tokens. Every member must
     * call this.
     */
    public static List<LayerRouting> over(ProcessGroup group, List<LayerRouting> routing) {
        return group.members().size() == 1
                ? routing
                : routing.stream().map(layer -> layer.over(group)).toList();
    }
}
