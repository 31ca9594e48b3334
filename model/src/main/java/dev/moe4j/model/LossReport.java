package dev.moe4j.model;

import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.RoutingFigures;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.autograd.Value;
import java.util.List;

/**
 * What a model's pass over a batch gives.
 *
 * @param roots scalars whose sum is the loss, from which backward starts
 * @param nll each token's negative log-likelihood in nats, {@code [tokens]}, 0 where there is no target
 * @param hidden the residual stream before the first layer and after each, {@code [tokens, model]}
 * @param routed what each MoE layer's router did, in order
 */
public record LossReport(List<Value> roots, Value nll, List<Value> hidden, List<Routed> routed) {

    /**
     * One router's figures, which the host need not know yet.
     *
     * @param layer the layer's number, from 0
     */
    record Routed(int layer, RoutingFigures figures) {}

    /** What {@link #routing} reads; whoever has more to read reads all at once. The tape owns them. */
    public List<DeferredScalars> figures() {
        return routed.stream().map(layer -> layer.figures().figure()).toList();
    }

    /** What each MoE layer's router did, in order; reads it if nothing has, while the tape lives. */
    public List<LayerRouting> routing() {
        DeferredScalars.read(figures());
        return routed.stream().map(layer -> layer.figures().read(layer.layer())).toList();
    }

    /** Reports on what all members of a group routed, each as many tokens. */
    public static List<LayerRouting> over(ProcessGroup group, List<LayerRouting> routing) {
        return group.members().size() == 1
                ? routing
                : routing.stream().map(layer -> layer.over(group)).toList();
    }
}
