package dev.moe4j.tensor;

/**
 * Brings together what processes that hold the same {@link Unit} keep apart. All of them are asked for the same in the
 * same order.
 */
public interface UnitKeeper {

    /** For units that one process holds alone: there is nothing to bring together. */
    UnitKeeper NONE = new UnitKeeper() {
        @Override
        public void acquire(Unit unit) {}

        @Override
        public void release(Unit unit) {}

        @Override
        public void ready(Unit unit) {}

        @Override
        public void finish(Unit unit) {}

        @Override
        public void reset(Unit unit) {}

        @Override
        public void refreshed(Unit unit) {}
    };

    /** A section is about to use the unit; returns when its working copy is there. */
    void acquire(Unit unit);

    /** No section uses the unit at the moment. */
    void release(Unit unit);

    /** No section will add to the unit's gradient any more in this backward pass. */
    void ready(Unit unit);

    /** The step has no more backward passes; returns when the unit's gradient is the sum over the processes. */
    void finish(Unit unit);

    /** A pass may have failed: returns when the unit's exchanges that are under way have ended, and drops their results. */
    void reset(Unit unit);

    /** The own piece of the working copy has changed; returns when the others' are here, where they are kept. */
    void refreshed(Unit unit);
}
