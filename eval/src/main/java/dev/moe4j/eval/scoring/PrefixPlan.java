package dev.moe4j.eval.scoring;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The order in which {@link PrefixScorer} computes requests: groups that share a prefix, and batches of groups that
 * share a forward pass. A batch stays within both bounds unless it is a single request: the tokens computed at a time,
 * and {@link #PLACES_PER_TOKEN} times as many places for keys and values.
 *
 * @param common tokens of the prefix that all requests share
 * @param batches groups that are computed together, in order
 */
record PrefixPlan(int common, List<List<PrefixPlan.Group>> batches) {

    /** Places for keys and values, as a multiple of the tokens computed at a time: forks copy the shared ones. */
    private static final int PLACES_PER_TOKEN = 4;

    /**
     * Requests that share a prefix.
     *
     * @param members their indices
     * @param shared tokens of the prefix; each member has at least one more token before its scored ones
     */
    record Group(List<Integer> members, int shared) {}

    /**
     * Plans the requests.
     *
     * @param requests at least one
     * @param batchTokens tokens to compute at a time, unless one request has more
     */
    static PrefixPlan of(List<Request> requests, int batchTokens) {
        return new Planner(requests, batchTokens).plan();
    }

    /** Places for keys and values of a batch: each sequence has as many as the longest. */
    static long places(List<Group> batch, List<Request> requests) {
        long sequences =
                batch.stream().mapToInt(group -> group.members().size()).sum();
        return sequences * longest(batch, requests);
    }

    /** Tokens that the model reads of the batch's longest request: all but the last. */
    static int longest(List<Group> batch, List<Request> requests) {
        return batch.stream()
                .flatMap(group -> group.members().stream())
                .mapToInt(member -> requests.get(member).length() - 1)
                .max()
                .orElseThrow();
    }

    /** Forms groups and batches of one list of requests. */
    private static final class Planner {
        private final List<Request> requests;
        private final int batchTokens;
        private final int common;

        Planner(List<Request> requests, int batchTokens) {
            this.requests = requests;
            this.batchTokens = batchTokens;
            this.common = shared(IntStream.range(0, requests.size()).boxed().toList());
        }

        PrefixPlan plan() {
            List<Group> groups = groups();
            List<List<Group>> batches = new ArrayList<>();
            for (int from = 0; from < groups.size(); ) {
                int to = from + 1;
                while (to < groups.size() && fits(groups.subList(from, to + 1))) {
                    to++;
                }
                batches.add(List.copyOf(groups.subList(from, to)));
                from = to;
            }
            return new PrefixPlan(common, List.copyOf(batches));
        }

        /** Tokens of the members' common prefix that none scores, less one: scoring needs a token before. */
        private int shared(List<Integer> members) {
            int[] first = requests.get(members.getFirst()).tokens();
            int shared = Integer.MAX_VALUE;
            for (int member : members) {
                Request request = requests.get(member);
                int mismatch = Arrays.mismatch(first, request.tokens());
                shared = Math.min(shared, request.from() - 1);
                shared = mismatch < 0 ? shared : Math.min(shared, mismatch);
            }
            return shared;
        }

        /** In lexicographic order, a request joins the last group if that saves tokens and the group stays in bounds. */
        private List<Group> groups() {
            List<Integer> order = IntStream.range(0, requests.size())
                    .boxed()
                    .sorted(Comparator.comparing(i -> requests.get(i).tokens(), Arrays::compare))
                    .toList();
            List<Group> groups = new ArrayList<>();
            for (int member : order) {
                Group alone = new Group(List.of(member), shared(List.of(member)));
                if (!groups.isEmpty()) {
                    Group last = groups.getLast();
                    List<Integer> members = new ArrayList<>(last.members());
                    members.add(member);
                    Group joined = new Group(members, shared(members));
                    if (tokens(joined) < tokens(last) + tokens(alone) && fits(List.of(joined))) {
                        groups.set(groups.size() - 1, joined);
                        continue;
                    }
                }
                groups.add(alone);
            }
            return groups;
        }

        /** Tokens to compute after the common prefix. */
        private int tokens(Group group) {
            return group.shared()
                    - common
                    + group.members().stream()
                            .mapToInt(member -> requests.get(member).length() - 1 - group.shared())
                            .sum();
        }

        private boolean fits(List<Group> batch) {
            return batch.stream().mapToInt(this::tokens).sum() <= batchTokens
                    && places(batch, requests) <= (long) PLACES_PER_TOKEN * batchTokens;
        }
    }
}
