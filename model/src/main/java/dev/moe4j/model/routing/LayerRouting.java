package dev.moe4j.model.routing;

import dev.moe4j.parallel.ProcessGroup;
import java.nio.DoubleBuffer;
import java.util.Arrays;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;

/**
 * The routing report of one MoE layer: load balancing loss, entropy and counts.
 *
 * @param layer the layer's index, from 0
 * @param balance the load balancing loss without its weight; 1 for perfect balance
 * @param entropy the mean entropy of the tokens' distributions over experts, in nats
 * @param firstChoices the number of tokens whose first choice is each expert, without padding, {@code [experts]}
 * @param counts the counts of choices
 */
public record LayerRouting(int layer, double balance, double entropy, double[] firstChoices, RoutingCounts counts) {

    /** The statistics that the published system reports. */
    public RoutingStatistics statistics() {
        return counts.statistics();
    }

    /**
     * The report over all members of a group. Each member must have routed the same number of tokens. Every member must
     * call this.
     */
    public LayerRouting over(ProcessGroup group) {
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
        RoutingCounts all = new RoutingCounts(tokens, chosen, next(sums, topK), next(sums, topK), next(sums, experts));
        return new LayerRouting(layer, meanBalance, meanEntropy, next(sums, experts), all);
    }

    private static double[] next(DoubleBuffer from, int count) {
        double[] values = new double[count];
        from.get(values);
        return values;
    }
}
