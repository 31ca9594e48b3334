package dev.moe4j.model;

/** Rows as the experts of this process compute on them, one expert's after the other's. */
interface ExpertRows {

    /** How many experts there are here. */
    int experts();

    /** The first row of expert {@code e} among those here. */
    int start(int e);

    /** The rows of expert {@code e}, those that hold no token included. */
    int size(int e);

    /** The rows of all experts. */
    int count();

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

        @Override
        public int size(int e) {
            return ends[e] - start(e);
        }

        @Override
        public int count() {
            return ends[ends.length - 1];
        }
    }
}
