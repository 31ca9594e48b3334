package dev.moe4j.parallel.layout;

/**
 * Where rows that an exchange brought belong: they arrive by sender, and within a sender by kind (expert); products want
 * them by kind, each kind's rows rounded up to a multiple, since oneDNN compiles a primitive for every row count. A pure
 * function of the counts.
 *
 * @param arrivedOf {@code [rows]}: for each row sorted by kind, the arrived row that fills it; 0 where none does
 * @param filled {@code [rows]}: whether one does
 * @param rowOf {@code [arrived]}: for each arrived row, its place among those sorted by kind
 * @param ends {@code [kinds]}: where each kind's rows end, rounding included
 */
public record ReceivedRowLayout(long[] arrivedOf, boolean[] filled, long[] rowOf, int[] ends) {

    /**
     * @param received {@code [members][kinds]}, as {@link Splits#received}
     * @param multiple of each kind's number of rows
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
