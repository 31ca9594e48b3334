package dev.moe4j.parallel.layout;

import java.util.List;
import java.util.stream.IntStream;

/**
 * Who holds what among the processes of a run, as one of them sees it: a value, from which all else follows by pure
 * functions. Every rank has its own sequences. With {@code P} = {@code expertParallel}, ranks {@code [g·P, (g+1)·P)} form
 * expert group {@code g}: neighbours, since the exchange of tokens among them is the most traffic and neighbours share a
 * machine. Each of them holds {@code E/P} of the {@code E} experts. Ranks with the same place in their expert group hold
 * the same experts: they form a replica group, over which experts' gradients are summed.
 *
 * <p>The published system has {@code P = min(W, E)} for {@code W} ranks.
 *
 * @param world how many ranks there are
 * @param rank this process's own, from 0
 * @param expertParallel over how many ranks experts are sharded ({@code parallel.expert}); it divides {@code world}
 * @param sharding of the parameters' state ({@code parallel.shard})
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
                    "rank " + rank + " is none of the " + world + " of this run: ranks count from 0");
        }
        if (expertParallel < 1 || world % expertParallel != 0) {
            throw new ParallelException(
                    "parallel.expert: %d does not divide the %d processes of this run: choose one of %s"
                            .formatted(expertParallel, world, divisors(world)));
        }
    }

    /** All ranks: they share the sequences and what dense parameters' state is sharded. */
    public Members everyone() {
        return new Members("world", IntStream.range(0, world).boxed().toList(), rank);
    }

    /** The ranks that together hold all experts once, and exchange tokens. */
    public Members expertGroup() {
        int group = rank / expertParallel;
        int first = group * expertParallel;
        return new Members(
                "expert-" + group,
                IntStream.range(first, first + expertParallel).boxed().toList(),
                rank);
    }

    /** The ranks that hold the same experts as this one. */
    public Members replicaGroup() {
        int place = rank % expertParallel;
        return new Members(
                "replica-" + place,
                IntStream.range(0, replicas())
                        .mapToObj(group -> group * expertParallel + place)
                        .toList(),
                rank);
    }

    /** How many copies of each expert there are. */
    public int replicas() {
        return world / expertParallel;
    }

    /**
     * The experts that this rank holds, by their global numbers.
     *
     * @throws ParallelException if so many experts cannot be shared out
     */
    public Slice experts(int experts) {
        int each = expertsPerRank(experts);
        return new Slice((long) (rank % expertParallel) * each, each);
    }

    /** The place in the expert group of the rank that holds an expert. */
    public int holder(int expert, int experts) {
        if (expert < 0 || expert >= experts) {
            throw new IllegalArgumentException("expert " + expert + " of " + experts);
        }
        return expert / expertsPerRank(experts);
    }

    /**
     * How many experts each rank holds.
     *
     * @throws ParallelException if so many experts cannot be shared out
     */
    public int expertsPerRank(int experts) {
        if (experts % expertParallel != 0) {
            List<Integer> fitting = divisors(world).stream()
                    .filter(degree -> experts % degree == 0)
                    .toList();
            throw new ParallelException(
                    "parallel.expert: %d ranks cannot hold equal shares of %d experts: choose one of %s; experts are replicated between groups"
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
