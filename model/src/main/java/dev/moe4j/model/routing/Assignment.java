package dev.moe4j.model.routing;

import java.util.Arrays;

/**
 * Which token goes to which expert. A routing strategy makes it from a router's logits; {@link AssignedRows} lays it out
 * for dispatch, experts and combination, which do not know which strategy chose. Choices are numbered token · k + rank.
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
     * @param wanted whether the choice asks for a place at all: padding and some second choices do not
     * @param placeOf each wanted choice's place in its expert's queue
     * @param capacity places of each expert per group; a choice further back is dropped
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

    /** Places of each expert in a group, whether they are taken or not. */
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

    /** Choices that expert {@code e} has a place for. */
    public int count(int e) {
        return counts[e];
    }

    public long[] expertOf() {
        return expertOf;
    }

    /** Each wanted choice's place in its expert's queue, before the capacity test. */
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
