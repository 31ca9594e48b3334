package dev.moe4j.eval;

import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.Decoder;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Runs the model once over what requests share: over the beginning of all of them, as the examples of a few-shot run,
 * and over that of each group, as a question before its candidates; then over what is each request's own, from copies of
 * the shared keys and values. {@link PlainScorer} is its plain twin. Experts must not have a capacity.
 */
final class PrefixScorer implements Scorer {

    /** Room for keys and values, as a multiple of the tokens that are computed at a time: copies are many. */
    private static final int ROOM = 4;

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final int batchTokens;

    /**
     * @param batchTokens tokens that the model computes at a time, unless one group has more
     */
    PrefixScorer(LanguageModel model, Tokenizer tokenizer, int batchTokens) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.batchTokens = batchTokens;
    }

    /**
     * Requests that share a beginning.
     *
     * @param members their indices
     * @param shared tokens in it: behind it each request has one token at least before its scored ones
     */
    private record Group(List<Integer> members, int shared) {}

    @Override
    public List<Likelihood> score(List<Request> requests) {
        return requests.isEmpty() ? List.of() : new Run(requests).score();
    }

    /** One list of requests on its way. */
    private final class Run {
        private final List<Request> requests;
        private final int common;
        private final Likelihood[] results;

        Run(List<Request> requests) {
            requests.forEach(request ->
                    LogProbabilities.checkVocabulary(request, model.config().vocabulary()));
            this.requests = requests;
            this.results = new Likelihood[requests.size()];
            this.common = shared(IntStream.range(0, requests.size()).boxed().toList());
        }

        List<Likelihood> score() {
            List<Group> groups = groups();
            try (Decoder beginning = beginning()) {
                for (int from = 0; from < groups.size(); ) {
                    int to = from + 1;
                    while (to < groups.size() && fits(groups.subList(from, to + 1))) {
                        to++;
                    }
                    batch(beginning, groups.subList(from, to));
                    from = to;
                }
            }
            return List.of(results);
        }

        /** Tokens at the beginning that all of them share and none scores, nor the one before. */
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

        /** In the order of their tokens, a request joins the group before it where that leaves less to compute. */
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
                    if (tokens(joined) < tokens(last) + tokens(alone)) {
                        groups.set(groups.size() - 1, joined);
                        continue;
                    }
                }
                groups.add(alone);
            }
            return groups;
        }

        /** Tokens to compute behind the common beginning. */
        private int tokens(Group group) {
            return group.shared()
                    - common
                    + group.members().stream()
                            .mapToInt(member -> inputs(member) - group.shared())
                            .sum();
        }

        /** Tokens that the model reads: all but the last. */
        private int inputs(int member) {
            return requests.get(member).length() - 1;
        }

        private boolean fits(List<Group> groups) {
            long sequences =
                    groups.stream().mapToInt(group -> group.members().size()).sum();
            return groups.stream().mapToInt(this::tokens).sum() <= batchTokens
                    && sequences * room(groups) <= (long) ROOM * batchTokens;
        }

        private int room(List<Group> groups) {
            return groups.stream()
                    .flatMap(group -> group.members().stream())
                    .mapToInt(this::inputs)
                    .max()
                    .orElseThrow();
        }

        private Decoder beginning() {
            Decoder decoder = Decoder.of(model, 1, Math.max(1, common));
            try {
                if (common > 0) {
                    decoder.append(Arrays.copyOf(requests.getFirst().tokens(), common));
                }
                return decoder;
            } catch (RuntimeException | Error e) {
                decoder.close();
                throw e;
            }
        }

        private void batch(Decoder beginning, List<Group> groups) {
            int[][] prefixes = groups.stream()
                    .map(group -> Arrays.copyOfRange(
                            requests.get(group.members().getFirst()).tokens(), common, group.shared()))
                    .toArray(int[][]::new);
            int longest = groups.stream().mapToInt(Group::shared).max().orElseThrow();
            try (Decoder prefix = beginning.fork(Math.max(1, longest), new int[groups.size()])) {
                if (Arrays.stream(prefixes).anyMatch(own -> own.length > 0)) {
                    prefix.append(prefixes);
                }
                int[] prefixOf = IntStream.range(0, groups.size())
                        .flatMap(i -> groups.get(i).members().stream().mapToInt(_ -> i))
                        .toArray();
                try (Decoder own = prefix.fork(room(groups), prefixOf)) {
                    extend(own, groups);
                }
            }
        }

        private void extend(Decoder decoder, List<Group> groups) {
            List<int[]> inputs = new ArrayList<>();
            List<Long> rows = new ArrayList<>();
            List<Integer> targets = new ArrayList<>();
            long row = 0;
            for (Group group : groups) {
                for (int member : group.members()) {
                    Request request = requests.get(member);
                    inputs.add(Arrays.copyOfRange(request.tokens(), group.shared(), request.length() - 1));
                    for (int t = request.from(); t < request.length(); t++) {
                        rows.add(row + t - 1 - group.shared());
                        targets.add(request.tokens()[t]);
                    }
                    row += request.length() - 1 - group.shared();
                }
            }
            try (Scope _ = Scope.open()) {
                Tensor logits_TV = decoder.extend(inputs.toArray(int[][]::new));
                Tensor index_R = Tensor.of(
                                rows.stream().mapToLong(Long::longValue).toArray())
                        .to(model.device());
                LogProbabilities probabilities = LogProbabilities.of(
                        logits_TV.indexSelect(0, index_R),
                        targets,
                        model.parameters().precision());
                int at = 0;
                for (Group group : groups) {
                    for (int member : group.members()) {
                        Request request = requests.get(member);
                        results[member] = probabilities.likelihood(request, at, tokenizer);
                        at += request.length() - request.from();
                    }
                }
            }
        }
    }
}
