package dev.moe4j.eval.scoring;

import dev.moe4j.eval.scoring.PrefixPlan.Group;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.decode.Decoder;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Scores requests and computes each shared prefix only once. First comes the prefix of all requests, such as the
 * examples of a few-shot run. Then comes the prefix of each group, such as a question before its candidates, and
 * finally the rest of each request. Forks of the KV cache pass the shared keys and values on.
 *
 * <p>{@link FullScorer} gives the same results without sharing. Experts must not have a capacity.
 */
public final class PrefixScorer implements Scorer {

    private final LanguageModel model;
    private final int batchTokens;

    /**
     * Creates a scorer.
     *
     * @param batchTokens the limit of tokens computed at a time, unless a single request has more
     */
    public PrefixScorer(LanguageModel model, int batchTokens) {
        this.model = model;
        this.batchTokens = batchTokens;
    }

    @Override
    public List<Likelihood> score(List<Request> requests) {
        return requests.isEmpty() ? List.of() : new Run(requests).score();
    }

    /** The scoring of one list of requests. */
    private final class Run {
        private final List<Request> requests;
        private final PrefixPlan plan;
        private final Likelihood[] results;

        Run(List<Request> requests) {
            requests.forEach(request ->
                    LogProbabilities.checkVocabulary(request, model.config().vocabulary()));
            this.requests = requests;
            this.plan = PrefixPlan.of(requests, batchTokens);
            this.results = new Likelihood[requests.size()];
        }

        List<Likelihood> score() {
            try (Decoder beginning = beginning()) {
                plan.batches().forEach(batch -> batch(beginning, batch));
            }
            return List.of(results);
        }

        private Decoder beginning() {
            Decoder decoder = Decoder.of(model, 1, Math.max(1, plan.common()));
            try {
                if (plan.common() > 0) {
                    decoder.append(Arrays.copyOf(requests.getFirst().tokens(), plan.common()));
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
                            requests.get(group.members().getFirst()).tokens(), plan.common(), group.shared()))
                    .toArray(int[][]::new);
            int longest = groups.stream().mapToInt(Group::shared).max().orElseThrow();
            try (Decoder prefix = beginning.fork(Math.max(1, longest), new int[groups.size()])) {
                if (Arrays.stream(prefixes).anyMatch(own -> own.length > 0)) {
                    prefix.append(prefixes);
                }
                int[] prefixOf = IntStream.range(0, groups.size())
                        .flatMap(i -> groups.get(i).members().stream().mapToInt(_ -> i))
                        .toArray();
                try (Decoder own = prefix.fork(PrefixPlan.longest(groups, requests), prefixOf)) {
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
                        results[member] = probabilities.likelihood(request, at);
                        at += request.length() - request.from();
                    }
                }
            }
        }
    }
}
