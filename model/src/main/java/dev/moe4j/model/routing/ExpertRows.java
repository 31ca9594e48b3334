package dev.moe4j.model.routing;

import java.util.Arrays;

/** Rows as the experts of this process compute on them, one expert's after the other's. */
public interface ExpertRows {

    /** How many experts there are here. */
    int experts();

    /** The first row of expert {@code e} among those here; that of {@link #experts} is the end. */
    int start(int e);

    /** The rows of expert {@code e}, those that hold no token included. */
    default int size(int e) {
        return start(e + 1) - start(e);
    }

    /** The rows of all experts. */
    default int count() {
        return start(experts());
    }

    /** Where each expert's rows end, {@code [experts]}. */
    default int[] ends() {
        int[] ends = new int[experts()];
        Arrays.setAll(ends, e -> start(e + 1));
        return ends;
    }

    /**
     * Rows that other processes sent.
     *
     * @param ends where each expert's rows end, {@code [experts]}
     */
    record Arrived(int... ends) implements ExpertRows {

        @Override
        public int experts() {
            return ends.length;
        }

        @Override
        public int start(int e) {
            return e == 0 ? 0 : ends[e - 1];
        }
    }
}
