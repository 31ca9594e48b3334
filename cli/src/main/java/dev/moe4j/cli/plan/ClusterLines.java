package dev.moe4j.cli.plan;

import dev.moe4j.plan.Cluster;
import dev.moe4j.plan.ClusterPlan;
import dev.moe4j.plan.Plan;
import dev.moe4j.plan.StepTime;
import java.io.PrintWriter;

/**
 * Prints the part of a plan that {@code --cluster} adds: the time of an update by component, the reasons for the
 * layout, and the assumptions.
 */
final class ClusterLines {

    private static final int MAX_LAYOUTS = 10;

    private ClusterLines() {}

    static void print(Plan plan, ClusterPlan cluster, PrintWriter to) {
        to.printf(
                "%nfastest of %,d layouts that fit into %.1f GiB (%,d considered): %.3f s per update, %,.0f tokens/s%n",
                cluster.fitting(),
                PlanRun.gib(cluster.usableMemory()),
                cluster.considered(),
                cluster.secondsPerUpdate(),
                cluster.tokensPerSecond());
        time(cluster.time(), to);
        layouts(cluster, to);
        why(cluster, to);
        assumptions(plan, cluster.assumptions(), to);
    }

    private static void time(StepTime time, PrintWriter to) {
        to.printf("%n%-16s %10s %10s %10s%n", "update time, s", "all", "hidden", "share");
        row(to, "projections, ffn", time.products(), 0, time);
        row(to, "attention", time.attention(), 0, time);
        row(to, "experts", time.experts(), 0, time);
        row(to, "head", time.head(), 0, time);
        row(to, "element-wise", time.elementwise(), 0, time);
        row(to, "recomputation", time.recomputation(), 0, time);
        row(to, "token exchange", time.exchange(), time.exchangeHidden(), time);
        row(to, "sharding", time.sharding(), time.shardingHidden(), time);
        row(to, "optimizer", time.optimizer(), 0, time);
    }

    private static void row(PrintWriter to, String name, double all, double hidden, StepTime time) {
        to.printf("%-16s %10.4f %10.4f %8.1f %%%n", name, all, hidden, 100 * (all - hidden) / time.total());
    }

    private static void layouts(ClusterPlan cluster, PrintWriter to) {
        to.printf(
                "%n%-15s %-10s %11s %-10s %10s %14s %8s%n",
                "expert parallel", "shard", "micro-batch", "recompute", "s", "tokens/s", "GiB");
        cluster.layouts().stream()
                .limit(MAX_LAYOUTS)
                .forEach(row -> to.printf(
                        "%-15d %-10s %11d %-10s %10.3f %,14.0f %8.1f%n",
                        row.expertParallel(),
                        row.shard(),
                        row.microBatch(),
                        row.recompute(),
                        row.secondsPerUpdate(),
                        row.tokensPerSecond(),
                        PlanRun.gib(row.memory())));
    }

    private static void why(ClusterPlan cluster, PrintWriter to) {
        to.printf("%nalternatives: the fastest layout with one choice changed%n");
        for (ClusterPlan.Alternative other : cluster.alternatives()) {
            String name = other.choice() + " " + other.value();
            if (other.fits()) {
                to.printf(
                        "%-26s %10.3f s (%+.1f %%), %.1f GiB%n",
                        name,
                        other.secondsPerUpdate(),
                        100 * (other.secondsPerUpdate() / cluster.secondsPerUpdate() - 1),
                        PlanRun.gib(other.memory()));
            } else {
                to.printf("%-26s does not fit: needs %.1f GiB or more%n", name, PlanRun.gib(other.memory()));
            }
        }
    }

    private static void assumptions(Plan plan, Cluster cluster, PrintWriter to) {
        to.printf("%nassumptions (override with --set cluster.KEY=VALUE; sources in docs/scaling.md)%n");
        to.printf(
                "%-21s %-10.4g of %s's %.4g FLOP/s%n",
                "matmul_efficiency",
                cluster.matmulEfficiency(),
                plan.device().name(),
                plan.device().flopsPerSecond());
        line(
                to,
                "attention_efficiency",
                cluster.attentionEfficiency(),
                "of it in fused attention, counting half of the scores");
        line(to, "memory_bandwidth", cluster.memoryBandwidth(), "bytes/s of a device's memory");
        line(to, "devices_per_node", cluster.devicesPerNode(), "");
        line(to, "intra_bandwidth", cluster.intraBandwidth(), "bytes/s from a device to its node");
        line(to, "inter_bandwidth", cluster.interBandwidth(), "bytes/s from a device to other nodes");
        line(to, "intra_latency", cluster.intraLatency(), "s per message within a node");
        line(to, "inter_latency", cluster.interLatency(), "s per message between nodes");
        line(
                to,
                "imbalance",
                cluster.imbalance(),
                "rows of the busiest device divided by the mean, without a capacity");
        line(
                to,
                "exchanges",
                cluster.exchanges(),
                "all-to-all exchanges per MoE layer; 6 if recomputation repeats two");
        line(to, "exchange_overlap", cluster.exchangeOverlap(), "of the all-to-all overlaps the experts' products");
        line(to, "sharding_overlap", cluster.shardingOverlap(), "of all-gather and reduce-scatter overlaps the passes");
        line(
                to,
                "memory_reserve",
                cluster.memoryReserve(),
                "of a device's memory is reserved for other uses than tensors");
        to.println("not modelled: data loading, checkpoints, evaluation, host delays, stragglers");
    }

    private static void line(PrintWriter to, String key, double value, String meaning) {
        to.printf("%-21s %-10.4g %s%n", key, value, meaning);
    }
}
