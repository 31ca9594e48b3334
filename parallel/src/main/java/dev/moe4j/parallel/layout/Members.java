package dev.moe4j.parallel.layout;

import java.util.List;

/**
 * The member ranks of a process group, seen from one member.
 *
 * @param name the group's name, unique in the run
 * @param ranks the members' global ranks in ascending order
 * @param rank this process's global rank, one of {@code ranks}
 */
public record Members(String name, List<Integer> ranks, int rank) {

    public Members {
        ranks = List.copyOf(ranks);
        if (!ranks.contains(rank)) {
            throw new IllegalArgumentException("rank " + rank + " is not in group " + name + ": " + ranks);
        }
    }

    public int size() {
        return ranks.size();
    }

    /** Returns this process's index in the group. */
    public int index() {
        return ranks.indexOf(rank);
    }

    /**
     * Returns this member's shard when {@code total} elements are divided equally, in rank order.
     *
     * @throws ParallelException if {@code total} is not a multiple of the group's size
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
