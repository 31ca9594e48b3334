package dev.moe4j.model.routing;

import java.util.function.IntUnaryOperator;

/**
 * Lays out an assignment's choices as the rows that experts compute, sorted by expert. Rows that no choice fills repeat
 * token 0 with weight 0.
 */
public final class AssignedRows implements ExpertRows {

    /** Each expert's row count is rounded up to a multiple of this; docs/performance.md has the measurement. */
    public static final int MULTIPLE = 32;

    private final Assignment assignment;
    private final int[] starts;
    private final long[] rowOf;
    private final long[] choiceOf;
    private final boolean[] filled;

    /**
     * @param rowsFor maps the number of an expert's choices to the number of its rows, which must not be smaller
     */
    public AssignedRows(Assignment assignment, IntUnaryOperator rowsFor) {
        this.assignment = assignment;
        int experts = assignment.experts();
        this.starts = new int[experts + 1];
        for (int e = 0; e < experts; e++) {
            starts[e + 1] = starts[e] + rowsFor.applyAsInt(assignment.count(e));
        }
        if (starts[experts] == 0) {
            // No choice was kept, but matrix products need at least one row.
            starts[experts] = Math.max(1, rowsFor.applyAsInt(1));
        }
        long[] expertOf = assignment.expertOf();
        this.rowOf = new long[expertOf.length];
        this.choiceOf = new long[starts[experts]];
        this.filled = new boolean[starts[experts]];
        int[] next = starts.clone();
        for (int choice = 0; choice < expertOf.length; choice++) {
            if (assignment.kept()[choice]) {
                int row = next[(int) expertOf[choice]]++;
                rowOf[choice] = row;
                choiceOf[row] = choice;
                filled[row] = true;
            }
        }
    }

    /**
     * An expert's row count in training. Rounding limits the number of distinct shapes: oneDNN compiles a primitive for
     * each row count, and memory of a repeated size is reused.
     */
    public static int rounded(int count) {
        return Math.ceilDiv(count, MULTIPLE) * MULTIPLE;
    }

    /**
     * An expert's row count in inference: a power of two below {@link #MULTIPLE}, else as in training. A single token
     * would otherwise compute 32 rows in each expert. With the many tokens of training, fewer rows cost more in
     * compilation than they save (docs/log.md has both measurements).
     */
    public static int tight(int count) {
        if (count >= MULTIPLE) {
            return rounded(count);
        }
        return count <= 1 ? count : Integer.highestOneBit(count - 1) << 1;
    }

    public Assignment assignment() {
        return assignment;
    }

    @Override
    public int experts() {
        return assignment.experts();
    }

    @Override
    public int start(int e) {
        return starts[e];
    }

    /** Each choice's row; 0 if it was dropped. */
    long[] rowOf() {
        return rowOf;
    }

    /** Each row's choice; 0 if the row is empty. */
    long[] choiceOf() {
        return choiceOf;
    }

    /** Whether each row is filled. */
    public boolean[] filled() {
        return filled;
    }
}
