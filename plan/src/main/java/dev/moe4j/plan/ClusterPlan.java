package dev.moe4j.plan;

import java.util.List;

/**
 * The fastest layout on a cluster, by a model of the step's time: docs/scaling.md.
 *
 * @param assumptions that the model makes
 * @param usableMemory bytes of a device that tensors may take
 * @param considered layouts
 * @param fitting those of them that fit
 * @param time of the recommended layout's update, by cause
 * @param secondsPerUpdate their sum
 * @param tokensPerSecond of all devices together
 * @param alternatives what each choice otherwise would cost
 * @param layouts those that fit, the fastest first
 */
public record ClusterPlan(
        Cluster assumptions,
        long usableMemory,
        int considered,
        int fitting,
        StepTime time,
        double secondsPerUpdate,
        double tokensPerSecond,
        List<Alternative> alternatives,
        List<Row> layouts) {

    /**
     * The best layout that chooses otherwise in one thing.
     *
     * @param choice which thing
     * @param value what it chooses
     * @param fits whether one such layout fits; if not, the figures are those of the smallest
     * @param secondsPerUpdate of that layout
     * @param memory bytes on each device
     */
    public record Alternative(String choice, String value, boolean fits, double secondsPerUpdate, long memory) {}

    /**
     * A layout that fits.
     *
     * @param memory bytes on each device
     */
    public record Row(
            int expertParallel,
            String shard,
            int microBatch,
            String recompute,
            double secondsPerUpdate,
            double tokensPerSecond,
            long memory) {}
}
