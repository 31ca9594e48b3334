package dev.moe4j.model;

import dev.moe4j.tensor.Value;
import java.util.List;

/**
 * What a model's pass over a batch gives.
 *
 * @param roots scalars whose sum is the loss, from which backward starts
 * @param nll each token's negative log-likelihood in nats, {@code [tokens]}, 0 where there is no target
 * @param hidden the residual stream before the first layer and after each, {@code [tokens, model]}
 * @param routing what each MoE layer's router did, in order
 */
public record LossReport(List<Value> roots, Value nll, List<Value> hidden, List<LayerRouting> routing) {

    /**
     * One router's report.
     *
     * @param layer the layer's number, from 0
     * @param balance the balance loss without its weight; 1 for perfect balance
     * @param entropy the mean entropy of the tokens' distributions over experts, in nats
     * @param firstChoices tokens whose first choice each expert is, {@code [experts]}
     * @param statistics the published figures
     */
    public record LayerRouting(
            int layer, double balance, double entropy, double[] firstChoices, RoutingStatistics statistics) {}
}
