package dev.moe4j.model.routing;

import java.util.Arrays;

/**
 * Records which token goes to which expert. A routing strategy makes an assignment from the router's logits. {@link
 * AssignedRows} lays it out for dispatch, experts and combine, which therefore do not depend on the strategy. Choices
 * are numbered token · k + rank.
 */
public final class Assignment {

    private final int tokens;
    private final int topK;
    private final int experts;
    private final long[] expertOf;
    private final long[] placeOf;
    private final boolean[] wanted;
    private final boolean[] kept;
    private final int[] counts;
    private final long capacity;

    /**
     * @param expertOf each choice's expert, {@code [tokens · topK]}
     * @param wanted whether each choice requests a place. Those of padding and some second choices do not.
     * @param placeOf each requested choice's position in its expert's queue
     * @param capacity each expert's places per group; choices at later positions are dropped
     */
    public Assignment(
            int tokens, int topK, int experts, long[] expertOf, boolean[] wanted, long[] placeOf, long capacity) {
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
    }

    /** The assignment of the first tokens only; the others must not hold a place. */
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

    /** Each expert's places per group, filled or empty. */
    long capacity() {
        return capacity;
    }

    public int tokens() {
        return tokens;
    }

    public int topK() {
        return topK;
    }

    public int experts() {
        return experts;
    }

    /** The number of choices kept for expert {@code e}. */
    public int count(int e) {
        return counts[e];
    }

    public long[] expertOf() {
        return expertOf;
    }

    /** Each requested choice's position in its expert's queue, before tokens are dropped. */
    public long[] placeOf() {
        return placeOf;
    }

    boolean[] wanted() {
        return wanted;
    }

    public boolean[] kept() {
        return kept;
    }
}
