package dev.moe4j.eval.perplexity;

import dev.moe4j.model.routing.RoutingStatistics;
import dev.moe4j.parallel.ProcessGroup;
import java.util.Arrays;
import java.util.stream.DoubleStream;

/** Sums one layer's routing statistics over batches, weighted by the tokens of each batch. */
final class ExpertLoadSums {
    private final int layer;
    private double[] load = {};
    private double[] overflow = {};
    private double weight;

    ExpertLoadSums(int layer) {
        this.layer = layer;
    }

    /**
     * Adds the statistics of a batch.
     *
     * @param routed number of tokens in the batch
     */
    void add(RoutingStatistics statistics, int routed) {
        load = sum(load, statistics.load(), routed);
        overflow = sum(overflow, statistics.overflow(), routed);
        weight += routed;
    }

    private static double[] sum(double[] before, double[] more, int factor) {
        double[] sum = Arrays.copyOf(before, more.length);
        Arrays.setAll(sum, i -> sum[i] + more[i] * factor);
        return sum;
    }

    /** Returns the sums over all processes of a group. */
    ExpertLoadSums over(ProcessGroup group) {
        double[] own = DoubleStream.concat(
                        DoubleStream.concat(DoubleStream.of(weight), Arrays.stream(load)), Arrays.stream(overflow))
                .toArray();
        double[] sums = group.sum(own, "layer " + layer + " load");
        ExpertLoadSums all = new ExpertLoadSums(layer);
        all.weight = sums[0];
        all.load = Arrays.copyOfRange(sums, 1, 1 + load.length);
        all.overflow = Arrays.copyOfRange(sums, 1 + load.length, sums.length);
        return all;
    }

    Score.ExpertLoad mean() {
        return new Score.ExpertLoad(layer, mean(load), mean(overflow));
    }

    private double[] mean(double... sums) {
        return Arrays.stream(sums).map(value -> value / weight).toArray();
    }
}
