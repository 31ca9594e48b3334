package dev.moe4j.parallel.layout;

import java.util.List;
import java.util.stream.IntStream;

/**
 * The data parallel and expert parallel layout of a run, seen from one rank.
 *
 * <p>All ranks are data parallel: each processes its own sequences. Experts are expert parallel. With
 * {@code P = expertParallel}, ranks {@code [g·P, (g+1)·P)} form expert parallel group {@code g}, and each of them holds
 * {@code E/P} of the {@code E} experts. The ranks of a group are consecutive because the all-to-all of tokens causes the
 * most traffic, and consecutive ranks share a machine. Ranks with the same index in their groups hold the same experts.
 * They form a replica group, over which the gradients of those experts are summed.
 *
 * <p>The published system uses {@code P = min(W, E)} for {@code W} ranks.
 *
 * @param world the number of ranks
 * @param rank this process's rank, from 0
 * @param expertParallel the ranks in an expert parallel group ({@code parallel.expert}), a divisor of {@code world}
 * @param sharding the parameter state that is sharded ({@code parallel.shard})
 */
public record Layout(int world, int rank, int expertParallel, Sharding sharding) {

    /** The layout of one process. */
    public static final Layout SINGLE = new Layout(1, 0, 1, Sharding.NONE);

    public Layout {
        if (world < 1) {
            throw new ParallelException("a run has at least 1 process, not " + world);
        }
        if (rank < 0 || rank >= world) {
            throw new ParallelException(
                    "rank " + rank + " is not one of the " + world + " ranks of this run: ranks count from 0");
        }
        if (expertParallel < 1 || world % expertParallel != 0) {
            throw new ParallelException(
                    "parallel.expert: %d does not divide the %d processes of this run: choose one of %s"
                            .formatted(expertParallel, world, divisors(world)));
        }
    }

    /** Returns all ranks. The sequences of a step and the sharded state of dense parameters are partitioned over them. */
    public Members everyone() {
        return new Members("world", IntStream.range(0, world).boxed().toList(), rank);
    }

    /** Returns this rank's expert parallel group. Its members hold each expert once and send each other tokens. */
    public Members expertGroup() {
        int group = rank / expertParallel;
        int first = group * expertParallel;
        return new Members(
                "expert-" + group,
                IntStream.range(first, first + expertParallel).boxed().toList(),
                rank);
    }

    /** Returns the ranks that hold the same experts as this rank. */
    public Members replicaGroup() {
        int place = rank % expertParallel;
        return new Members(
                "replica-" + place,
                IntStream.range(0, replicas())
                        .mapToObj(group -> group * expertParallel + place)
                        .toList(),
                rank);
    }

    /** Returns the number of copies of each expert. */
    public int replicas() {
        return world / expertParallel;
    }

    /**
     * Returns the global numbers of the experts that this rank holds.
     *
     * @param experts the number of experts in a layer
     * @throws ParallelException if the experts cannot be divided equally among the ranks of a group
     */
    public Slice experts(int experts) {
        int each = expertsPerRank(experts);
        return new Slice((long) (rank % expertParallel) * each, each);
    }

    /**
     * Returns the number of experts on each rank.
     *
     * @param experts the number of experts in a layer
     * @throws ParallelException if the experts cannot be divided equally among the ranks of a group
     */
    public int expertsPerRank(int experts) {
        if (experts % expertParallel != 0) {
            List<Integer> fitting = divisors(world).stream()
                    .filter(degree -> experts % degree == 0)
                    .toList();
            throw new ParallelException(
                    "parallel.expert: %d ranks cannot hold equal shares of %d experts: choose one of %s (experts are replicated between groups)"
                            .formatted(expertParallel, experts, fitting));
        }
        return experts / expertParallel;
    }

    private static List<Integer> divisors(int number) {
        return IntStream.rangeClosed(1, number)
                .filter(candidate -> number % candidate == 0)
                .boxed()
                .toList();
    }
}
