package dev.moe4j.plan;

import java.util.List;

/**
 * The fastest layout on a cluster by the step time model of docs/scaling.md, with the alternatives.
 *
 * @param assumptions the assumptions of the model
 * @param usableMemory bytes of a device's memory available to tensors
 * @param considered number of layouts considered
 * @param fitting number of layouts that fit
 * @param time modelled time of the recommended layout's update, by cause
 * @param secondsPerUpdate the total of {@code time}
 * @param tokensPerSecond tokens per second of all devices together
 * @param alternatives the best layout for each different choice
 * @param layouts the layouts that fit, fastest first
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
     * The best layout with one different choice.
     *
     * @param choice the name of the choice
     * @param value the different value
     * @param fits whether a layout with this value fits; if not, the numbers describe the smallest one
     * @param secondsPerUpdate seconds per update of that layout
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
