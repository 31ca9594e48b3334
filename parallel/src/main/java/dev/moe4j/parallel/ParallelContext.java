package dev.moe4j.parallel;

import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.DType;

/**
 * The layout of a run and the process groups for it. Code that runs on several processes takes this value.
 *
 * @param layout which rank holds which parameters
 * @param everyone all ranks: the data parallel group of the dense parameters
 * @param experts this rank's expert parallel group, whose members together hold each expert once
 * @param replicas the ranks that hold the same experts as this rank: the data parallel group of its experts
 * @param rows the members of {@code experts}, for the all-to-all of token rows. This group may have a narrower wire type;
 *     parameters, optimizer moments and gradients are always sent unconverted
 * @param overlapping whether the all-to-all of one half of the rows overlaps the experts' computation of the other half
 */
public record ParallelContext(
        Layout layout,
        ProcessGroup everyone,
        ProcessGroup experts,
        ProcessGroup replicas,
        ProcessGroup rows,
        boolean overlapping) {

    /** The context of a single process, which does not communicate. */
    public static final ParallelContext SINGLE = new ParallelContext(
            Layout.SINGLE,
            ProcessGroup.alone(Layout.SINGLE.everyone()),
            ProcessGroup.alone(Layout.SINGLE.expertGroup()),
            ProcessGroup.alone(Layout.SINGLE.replicaGroup()),
            ProcessGroup.alone(Layout.SINGLE.expertGroup()),
            false);

    /**
     * Connects the groups of a layout. All processes must call this.
     *
     * @param expertParallel the number of ranks over which the experts are sharded
     * @throws dev.moe4j.parallel.layout.ParallelException if {@code expertParallel} does not fit the number of processes,
     *     or a group cannot be connected
     */
    public static ParallelContext of(DistributedRun processes, int expertParallel, Sharding sharding) {
        Layout layout = new Layout(processes.world(), processes.rank(), expertParallel, sharding);
        ProcessGroup everyone = processes.group(layout.everyone());
        ProcessGroup experts = processes.group(layout.expertGroup());
        ProcessGroup replicas = processes.group(layout.replicaGroup());
        return new ParallelContext(layout, everyone, experts, replicas, experts, false);
    }

    /** Returns this context with a wire type for token rows. Rows in a narrower type are sent unconverted. */
    public ParallelContext withRowsAs(DType type) {
        return new ParallelContext(layout, everyone, experts, replicas, experts.onWire(type), overlapping);
    }

    /** Returns this context with all-to-all communication overlapping the experts' computation. */
    public ParallelContext withOverlap() {
        return new ParallelContext(layout, everyone, experts, replicas, rows, true);
    }

    /** Whether this process is rank 0, which writes logs and results for the run. */
    public boolean leads() {
        return layout.rank() == 0;
    }

    /** Returns the seconds that this process has spent waiting for collectives since its start. */
    public double waitedSeconds() {
        return everyone.waitedSeconds();
    }
}
