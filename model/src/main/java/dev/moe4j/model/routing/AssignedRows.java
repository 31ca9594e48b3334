package dev.moe4j.model.routing;

import java.util.function.IntUnaryOperator;

/**
 * An assignment's choices in the rows that experts compute on, one expert's after the other's. Rows that no choice fills
 * repeat token 0 with weight 0.
 */
public final class AssignedRows implements ExpertRows {

    /** Each expert's rows are rounded up to a multiple of this: docs/performance.md has the measurement. */
    public static final int MULTIPLE = 32;

    private final Assignment assignment;
    private final int[] starts;
    private final long[] rowOf;
    private final long[] choiceOf;
    private final boolean[] filled;

    /**
     * @param room the rows of an expert that so many choices go to, no fewer than these
     */
    public AssignedRows(Assignment assignment, IntUnaryOperator room) {
        this.assignment = assignment;
        int experts = assignment.experts();
        this.starts = new int[experts + 1];
        for (int e = 0; e < experts; e++) {
            starts[e + 1] = starts[e] + room.applyAsInt(assignment.count(e));
        }
        if (starts[experts] == 0) {
            // Nothing was kept; products still want a row.
            starts[experts] = Math.max(1, room.applyAsInt(1));
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

    /** Rows in training: oneDNN compiles a primitive for every row count, and tensors of a size that was there before fit. */
    public static int rounded(int count) {
        return Math.ceilDiv(count, MULTIPLE) * MULTIPLE;
    }

    /**
     * Fewer rows where an expert has few: a power of two of them. One token's experts would compute on 32 rows each, while
     * training has so many tokens that the rows saved cost more than they bring (docs/log.md has both measurements).
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

    /** The row that each choice fills; 0 where it was dropped. */
    long[] rowOf() {
        return rowOf;
    }

    /** The choice that each row holds; 0 where none. */
    long[] choiceOf() {
        return choiceOf;
    }

    /** Whether a choice fills the row. */
    public boolean[] filled() {
        return filled;
    }
}
