package dev.moe4j.parallel;

import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.DType;

/**
 * The processes of a run at work: who holds what, and the groups in which they exchange it. Whatever works on several
 * processes is given this value.
 *
 * @param everyone all ranks
 * @param experts the ranks that together hold all experts once
 * @param replicas the ranks that hold the same experts as this one
 * @param rows the same ranks as {@code experts}, for rows on their way to experts and back, which may be narrower there;
 *     parameters, moments and gradients never are
 * @param overlapping whether one half of the rows travels while experts compute the other
 */
public record ParallelContext(
        Layout layout,
        ProcessGroup everyone,
        ProcessGroup experts,
        ProcessGroup replicas,
        ProcessGroup rows,
        boolean overlapping) {

    /** That of one process, which exchanges nothing. */
    public static final ParallelContext SINGLE = new ParallelContext(
            Layout.SINGLE,
            ProcessGroup.alone(Layout.SINGLE.everyone()),
            ProcessGroup.alone(Layout.SINGLE.expertGroup()),
            ProcessGroup.alone(Layout.SINGLE.replicaGroup()),
            ProcessGroup.alone(Layout.SINGLE.expertGroup()),
            false);

    /**
     * Connects the groups of a layout; all processes must come here.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if they cannot be connected
     */
    public static ParallelContext of(Processes processes, int expertParallel, Sharding sharding) {
        Layout layout = new Layout(processes.world(), processes.rank(), expertParallel, sharding);
        ProcessGroup everyone = processes.group(layout.everyone());
        ProcessGroup experts = processes.group(layout.expertGroup());
        ProcessGroup replicas = processes.group(layout.replicaGroup());
        return new ParallelContext(layout, everyone, experts, replicas, experts, false);
    }

    /** The same processes, whose rows travel in that type where it is narrower than theirs. */
    public ParallelContext withRowsAs(DType type) {
        return new ParallelContext(layout, everyone, experts, replicas, experts.onWire(type), overlapping);
    }

    /** The same processes, which exchange one half of their rows while experts compute the other. */
    public ParallelContext withOverlap() {
        return new ParallelContext(layout, everyone, experts, replicas, rows, true);
    }

    /** Whether this process is the one that speaks for all. */
    public boolean leads() {
        return layout.rank() == 0;
    }

    /** Seconds that this process has waited in exchanges since its start. */
    public double waitedSeconds() {
        return everyone.waitedSeconds();
    }
}
