package dev.moe4j.tensor.parameter;

/**
 * Brings together what processes that hold the same {@link ParameterGroup} keep apart. All of them are asked for the same in the
 * same order.
 */
public interface ShardSync {

    /** For units that one process holds alone: there is nothing to bring together. */
    ShardSync NONE = new ShardSync() {
        @Override
        public void acquire(ParameterGroup unit) {}

        @Override
        public void release(ParameterGroup unit) {}

        @Override
        public void ready(ParameterGroup unit) {}

        @Override
        public void finish(ParameterGroup unit) {}

        @Override
        public void reset(ParameterGroup unit) {}

        @Override
        public void refreshed(ParameterGroup unit) {}
    };

    /** A section is about to use the unit; returns when its working copy is there. */
    void acquire(ParameterGroup unit);

    /** No section uses the unit at the moment. */
    void release(ParameterGroup unit);

    /** No section will add to the unit's gradient any more in this backward pass. */
    void ready(ParameterGroup unit);

    /** The step has no more backward passes; returns when the unit's gradient is the sum over the processes. */
    void finish(ParameterGroup unit);

    /** A pass may have failed: returns when the unit's exchanges that are under way have ended, and drops their results. */
    void reset(ParameterGroup unit);

    /** The own piece of the working copy has changed; returns when the others' are here, where they are kept. */
    void refreshed(ParameterGroup unit);
}
