package dev.moe4j.model.routing;

import java.util.Arrays;

/** The layout of the rows that this process's experts compute, sorted by expert. */
public interface ExpertRows {

    /** The number of this process's experts. */
    int experts();

    /** The first row of local expert {@code e}; for {@code e} = {@link #experts}, the number of rows. */
    int start(int e);

    /** The number of expert {@code e}'s rows, including empty ones. */
    default int size(int e) {
        return start(e + 1) - start(e);
    }

    /** The number of all experts' rows. */
    default int count() {
        return start(experts());
    }

    /** The end of each expert's rows, {@code [experts]}. */
    default int[] ends() {
        int[] ends = new int[experts()];
        Arrays.setAll(ends, e -> start(e + 1));
        return ends;
    }

    /**
     * Rows received from the processes of an expert parallel group.
     *
     * @param ends the end of each expert's rows, {@code [experts]}
     */
    record Received(int... ends) implements ExpertRows {

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
