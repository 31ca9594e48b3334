package dev.moe4j.parallel.layout;

/**
 * The permutation that sorts the rows received in an all-to-all by kind (expert). Rows arrive sorted by sender, and by
 * kind within each sender. Matrix products need them sorted by kind. Each kind is padded to a multiple of rows, because
 * oneDNN compiles a primitive for every row count.
 *
 * @param arrivedOf {@code [rows]}: for each sorted row, the index of its received row; 0 for padding
 * @param filled {@code [rows]}: true for received rows, false for padding
 * @param rowOf {@code [arrived]}: for each received row, its index among the sorted rows
 * @param ends {@code [kinds]}: the end of each kind's sorted rows, padding included
 */
public record ReceivedRowLayout(long[] arrivedOf, boolean[] filled, long[] rowOf, int[] ends) {

    /**
     * Computes the layout from the row counts.
     *
     * @param received {@code [members][kinds]}: rows of each kind from each member, see {@link AllToAllSplits#received}
     * @param multiple the multiple to which each kind's rows are padded
     */
    public static ReceivedRowLayout of(long[][] received, int multiple) {
        int kinds = received[0].length;
        int[] next = new int[kinds];
        int[] ends = new int[kinds];
        int end = 0;
        int arrived = 0;
        for (int kind = 0; kind < kinds; kind++) {
            next[kind] = end;
            int rows = 0;
            for (long[] member : received) {
                rows += Math.toIntExact(member[kind]);
            }
            arrived += rows;
            end += Math.ceilDiv(rows, multiple) * multiple;
            ends[kind] = end;
        }
        long[] arrivedOf = new long[end];
        boolean[] filled = new boolean[end];
        long[] rowOf = new long[arrived];
        int current = 0;
        for (long[] member : received) {
            for (int kind = 0; kind < kinds; kind++) {
                for (long i = 0; i < member[kind]; i++) {
                    int row = next[kind]++;
                    arrivedOf[row] = current;
                    filled[row] = true;
                    rowOf[current++] = row;
                }
            }
        }
        return new ReceivedRowLayout(arrivedOf, filled, rowOf, ends);
    }
}
