package dev.moe4j.parallel;

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
public record Fabric(Layout layout, Group everyone, Group experts, Group replicas, Group rows, boolean overlapping) {

    /** That of one process, which exchanges nothing. */
    public static final Fabric SINGLE = new Fabric(
            Layout.SINGLE,
            Group.alone(Layout.SINGLE.everyone()),
            Group.alone(Layout.SINGLE.expertGroup()),
            Group.alone(Layout.SINGLE.replicaGroup()),
            Group.alone(Layout.SINGLE.expertGroup()),
            false);

    /**
     * Connects the groups of a layout; all processes must come here.
     *
     * @throws ParallelException if they cannot be connected
     */
    public static Fabric of(Processes processes, int expertParallel, Sharding sharding) {
        Layout layout = new Layout(processes.world(), processes.rank(), expertParallel, sharding);
        Group everyone = processes.group(layout.everyone());
        Group experts = processes.group(layout.expertGroup());
        Group replicas = processes.group(layout.replicaGroup());
        return new Fabric(layout, everyone, experts, replicas, experts, false);
    }

    /** The same processes, whose rows travel in that type where it is narrower than theirs. */
    public Fabric withRowsAs(DType type) {
        return new Fabric(layout, everyone, experts, replicas, experts.onWire(type), overlapping);
    }

    /** The same processes, which exchange one half of their rows while experts compute the other. */
    public Fabric withOverlap() {
        return new Fabric(layout, everyone, experts, replicas, rows, true);
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
