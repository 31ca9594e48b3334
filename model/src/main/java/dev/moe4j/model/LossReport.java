package dev.moe4j.model;

import dev.moe4j.parallel.Group;
import dev.moe4j.tensor.Figure;
import dev.moe4j.tensor.Value;
import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

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

    /**
     * One router's report.
     *
     * @param layer the layer's number, from 0
     * @param balance the balance loss without its weight; 1 for perfect balance
     * @param entropy the mean entropy of the tokens' distributions over experts, in nats
     * @param firstChoices tokens whose first choice each expert is, padding left out, {@code [experts]}
     * @param counts of its choices
     */
    public record LayerRouting(int layer, double balance, double entropy, double[] firstChoices, RoutingCounts counts) {

        /** The published figures. */
        public RoutingStatistics statistics() {
            return counts.statistics();
        }

        /** The report on what all members of a group routed, each as many tokens. */
        private LayerRouting over(Group group) {
            RoutingCounts own = counts;
            int topK = own.wanted().length;
            int experts = own.kept().length;
            DoubleStream.Builder parts =
                    DoubleStream.builder().add(balance).add(entropy).add(own.tokens());
            DoubleStream.concat(
                            Arrays.stream(own.chosen()).flatMapToDouble(Arrays::stream),
                            Stream.of(own.wanted(), own.dropped(), own.kept(), firstChoices)
                                    .flatMapToDouble(Arrays::stream))
                    .forEach(parts::add);
            DoubleBuffer sums = DoubleBuffer.wrap(group.sum(parts.build().toArray(), "layer " + layer + " statistics"));
            double meanBalance = sums.get() / group.members().size();
            double meanEntropy = sums.get() / group.members().size();
            double tokens = sums.get();
            double[][] chosen = new double[topK][];
            Arrays.setAll(chosen, _ -> next(sums, experts));
            RoutingCounts all =
                    new RoutingCounts(tokens, chosen, next(sums, topK), next(sums, topK), next(sums, experts));
            return new LayerRouting(layer, meanBalance, meanEntropy, next(sums, experts), all);
        }

        private static double[] next(DoubleBuffer from, int count) {
            double[] values = new double[count];
            from.get(values);
            return values;
        }
    }

    /** What {@link #routing} reads; whoever has more to read reads all at once. The tape owns them. */
    public List<Figure> figures() {
        return routed.stream().map(layer -> layer.figures().figure()).toList();
    }

    /** What each MoE layer's router did, in order; reads it if nothing has, while the tape lives. */
    public List<LayerRouting> routing() {
        Figure.read(figures());
        return routed.stream().map(layer -> layer.figures().read(layer.layer())).toList();
    }

    /** Reports on what all members of a group routed, each as many tokens. */
    public static List<LayerRouting> over(Group group, List<LayerRouting> routing) {
        return group.members().size() == 1
                ? routing
                : routing.stream().map(layer -> layer.over(group)).toList();
    }
}
