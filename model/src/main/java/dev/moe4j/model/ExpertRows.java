package dev.moe4j.model;

import java.util.Arrays;

/** Rows sorted by expert, as the experts of this process compute on them. */
interface ExpertRows {

    /** How many experts there are here. */
    int experts();

    /** The first row of expert {@code e} among those here; that of {@link #experts} is the end. */
    int start(int e);

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
