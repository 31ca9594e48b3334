package dev.moe4j.tensor.parameter;

/**
 * Synchronizes a {@link ParameterGroup} over the data-parallel processes that hold it: reduces gradients, and gathers sharded
 * parameters (ZeRO). The methods are called in the same order on all of these processes.
 */
public interface ShardSync {

    /** Does nothing, for groups that a single process holds. */
    ShardSync NONE = new ShardSync() {
        @Override
        public void acquire(ParameterGroup group) {}

        @Override
        public void release(ParameterGroup group) {}

        @Override
        public void ready(ParameterGroup group) {}

        @Override
        public void finish(ParameterGroup group) {}

        @Override
        public void reset(ParameterGroup group) {}

        @Override
        public void refreshed(ParameterGroup group) {}
    };

    /** Called before a section uses the group. Returns when the working copy is complete. */
    void acquire(ParameterGroup group);

    /** Called when no section uses the group any more. The full working copy may be freed. */
    void release(ParameterGroup group);

    /** Called when the group's gradient of the current backward pass is complete. The reduction may start. */
    void ready(ParameterGroup group);

    /** Called after a step's last backward pass. Returns when the group's gradient is the sum over the processes. */
    void finish(ParameterGroup group);

    /** Called after a pass that may have failed. Waits for the group's pending collectives and discards their results. */
    void reset(ParameterGroup group);

    /**
     * Called when this process's shard of the working copy has changed. Returns when the full working copy is up to date, if
     * it is not sharded.
     */
    void refreshed(ParameterGroup group);
}
