package dev.moe4j.model;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/**
 * Which token goes to which expert. A routing strategy makes it from a router's logits; dispatch, experts and
 * combination read it and do not know which strategy chose.
 *
 * <p>Choices are numbered token · k + rank. The rows that experts compute on are sorted by expert; each expert's rows
 * are rounded up to a multiple of {@link #ROW_MULTIPLE}, since oneDNN compiles a primitive for every row count. Rows
 * that travel to experts elsewhere are {@linkplain #packed packed} or {@linkplain #even even} instead, and without
 * training they are {@linkplain #tight tight}. Rows that no choice fills repeat token 0 with weight 0.
 */
final class Assignment implements ExpertRows {

    /** Each expert's rows are rounded up to a multiple of this: docs/performance.md has the measurement. */
    static final int ROW_MULTIPLE = 32;

    private final int tokens;
    private final int topK;
    private final int experts;
    private final long[] expertOf;
    private final long[] placeOf;
    private final boolean[] wanted;
    private final boolean[] kept;
    private final int[] counts;
    private final int[] starts;
    private final long[] rowOf;
    private final long[] choiceOf;
    private final boolean[] filled;
    private final long capacity;

    /**
     * @param expertOf each choice's expert, {@code [tokens · topK]}
     * @param wanted whether the choice asks for a place at all: padding and some second choices do not
     * @param placeOf each wanted choice's place in its expert's queue
     * @param capacity places of each expert per group; a choice further back is dropped
     */
    Assignment(int tokens, int topK, int experts, long[] expertOf, boolean[] wanted, long[] placeOf, long capacity) {
        this(tokens, topK, experts, expertOf, wanted, placeOf, capacity, Assignment::rounded);
    }

    /**
     * @param room the rows of an expert that so many choices go to
     */
    private Assignment(
            int tokens,
            int topK,
            int experts,
            long[] expertOf,
            boolean[] wanted,
            long[] placeOf,
            long capacity,
            IntUnaryOperator room) {
        this.tokens = tokens;
        this.topK = topK;
        this.experts = experts;
        this.expertOf = expertOf;
        this.wanted = wanted;
        this.placeOf = placeOf;
        this.capacity = capacity;
        this.kept = new boolean[expertOf.length];
        this.counts = new int[experts];
        for (int choice = 0; choice < expertOf.length; choice++) {
            kept[choice] = wanted[choice] && placeOf[choice] < capacity;
            if (kept[choice]) {
                counts[(int) expertOf[choice]]++;
            }
        }
        this.starts = new int[experts + 1];
        for (int e = 0; e < experts; e++) {
            starts[e + 1] = starts[e] + room.applyAsInt(counts[e]);
        }
        if (starts[experts] == 0) {
            // Nothing was kept; products still want a row.
            starts[experts] = Math.max(1, room.applyAsInt(1));
        }
        this.rowOf = new long[expertOf.length];
        this.choiceOf = new long[starts[experts]];
        this.filled = new boolean[starts[experts]];
        int[] next = starts.clone();
        for (int choice = 0; choice < expertOf.length; choice++) {
            if (kept[choice]) {
                int row = next[(int) expertOf[choice]]++;
                rowOf[choice] = row;
                choiceOf[row] = choice;
                filled[row] = true;
            }
        }
    }

    /** What this assigns to the first tokens, where the others have no place. */
    Assignment first(int count) {
        int choices = count * topK;
        return new Assignment(
                count,
                topK,
                experts,
                Arrays.copyOf(expertOf, choices),
                Arrays.copyOf(wanted, choices),
                Arrays.copyOf(placeOf, choices),
                capacity);
    }

    private static int rounded(int count) {
        return Math.ceilDiv(count, ROW_MULTIPLE) * ROW_MULTIPLE;
    }

    /** The same choices in rows without a gap. */
    Assignment packed() {
        return withRoom(count -> count);
    }

    /**
     * The same choices with fewer rows where an expert has few: a power of two of them. One token's experts would compute
     * on 32 rows each, while training has so many tokens that the rows saved cost more than they bring: fewer tensors have
     * a size that was there before (docs/log.md has both measurements).
     */
    Assignment tight() {
        return withRoom(count -> count < ROW_MULTIPLE ? powerOfTwo(count) : rounded(count));
    }

    private static int powerOfTwo(int count) {
        return count <= 1 ? count : Integer.highestOneBit(count - 1) << 1;
    }

    /** The same choices in rows of which every expert has as many. */
    Assignment even(int rows) {
        return withRoom(_ -> rows);
    }

    private Assignment withRoom(IntUnaryOperator room) {
        return new Assignment(tokens, topK, experts, expertOf, wanted, placeOf, capacity, room);
    }

    /** Places of each expert in a group, whether they are taken or not. */
    long capacity() {
        return capacity;
    }

    int tokens() {
        return tokens;
    }

    int topK() {
        return topK;
    }

    @Override
    public int experts() {
        return experts;
    }

    /** Rows over all experts, rounding included. */
    int rows() {
        return starts[experts];
    }

    /** Rows of expert {@code e} that hold a token. */
    int count(int e) {
        return counts[e];
    }

    /** The first row of expert {@code e}; that of {@code experts} is the end. */
    @Override
    public int start(int e) {
        return starts[e];
    }

    long[] expertOf() {
        return expertOf;
    }

    /** Each wanted choice's place in its expert's queue, before the capacity test. */
    long[] placeOf() {
        return placeOf;
    }

    boolean[] wanted() {
        return wanted;
    }

    boolean[] kept() {
        return kept;
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
    boolean[] filled() {
        return filled;
    }
}
