package dev.moe4j.eval.scoring;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Plans how {@link PrefixScorer} computes requests: groups of requests that share a prefix, and batches of groups that
 * share a forward pass. Two limits bound a batch of more than one request: the number of tokens computed at a time, and
 * {@link #CACHE_ENTRIES_PER_TOKEN} times as many KV cache entries.
 *
 * @param common length of the prefix that all requests share, in tokens
 * @param batches groups to compute together, in order
 */
record PrefixPlan(int common, List<List<PrefixPlan.Group>> batches) {

    /** KV cache entries as a multiple of the tokens computed at a time: forks copy the shared entries. */
    private static final int CACHE_ENTRIES_PER_TOKEN = 4;

    /**
     * Requests that share a prefix.
     *
     * @param members indices of the requests
     * @param shared length of the prefix in tokens; each member has at least one more token before its scored tokens
     */
    record Group(List<Integer> members, int shared) {}

    /**
     * Plans the requests.
     *
     * @param requests at least one request
     * @param batchTokens the limit of tokens per batch, unless a single request has more
     */
    static PrefixPlan of(List<Request> requests, int batchTokens) {
        return new Planner(requests, batchTokens).plan();
    }

    /** KV cache entries of a batch; each sequence has the length of the longest. */
    static long cacheEntries(List<Group> batch, List<Request> requests) {
        long sequences =
                batch.stream().mapToInt(group -> group.members().size()).sum();
        return sequences * longest(batch, requests);
    }

    /** The number of tokens that the model reads from the batch's longest request: all but the last. */
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

        /**
         * The length of the members' common prefix without scored tokens, less one, because scoring needs a preceding
         * token.
         */
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

        /**
         * Groups the requests in lexicographic order. A request joins the last group if that saves tokens and the group
         * stays within the limits.
         */
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

        /** The number of tokens to compute after the common prefix. */
        private int tokens(Group group) {
            return group.shared()
                    - common
                    + group.members().stream()
                            .mapToInt(member -> requests.get(member).length() - 1 - group.shared())
                            .sum();
        }

        private boolean fits(List<Group> batch) {
            return batch.stream().mapToInt(this::tokens).sum() <= batchTokens
                    && cacheEntries(batch, requests) <= (long) CACHE_ENTRIES_PER_TOKEN * batchTokens;
        }
    }
}
