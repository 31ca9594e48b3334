package dev.moe4j.parallel.layout;

import java.util.List;

/**
 * The ranks that exchange something with each other, as one of them sees it.
 *
 * @param name the group's, the same for all its members and for no other group of the run
 * @param ranks the members' global ranks, in rising order
 * @param rank this process's own
 */
public record Members(String name, List<Integer> ranks, int rank) {

    public Members {
        ranks = List.copyOf(ranks);
        if (!ranks.contains(rank)) {
            throw new IllegalArgumentException("rank " + rank + " is none of group " + name + ": " + ranks);
        }
    }

    public int size() {
        return ranks.size();
    }

    /** This process's place among the members. */
    public int index() {
        return ranks.indexOf(rank);
    }

    /**
     * This member's equal share of {@code total}, in the order of ranks.
     *
     * @throws ParallelException if the members cannot have equal shares
     */
    public Slice share(long total) {
        if (total % size() != 0) {
            throw new ParallelException(
                    "%d cannot be divided equally among the %d ranks of group %s: choose a multiple of %d"
                            .formatted(total, size(), name, size()));
        }
        long length = total / size();
        return new Slice(index() * length, length);
    }
}
