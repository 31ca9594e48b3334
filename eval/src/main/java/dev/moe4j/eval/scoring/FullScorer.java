package dev.moe4j.eval.scoring;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Runs the model over each complete request. The reference for {@link PrefixScorer}.
 *
 * <p>Requests of similar length share a batch. Shorter ones are padded at their end, where causal attention does not
 * look. Without a capacity each token is routed independently, so a request's likelihood does not depend on the batch.
 * If experts have a capacity, each request runs alone and without padding.
 */
public final class FullScorer implements Scorer {

    private final LanguageModel model;
    private final int batchTokens;

    /**
     * Creates a scorer.
     *
     * @param batchTokens the limit of tokens per batch, padding included, unless a single request has more
     */
    public FullScorer(LanguageModel model, int batchTokens) {
        this.model = model;
        this.batchTokens = hasCapacity(model) ? 1 : batchTokens;
    }

    /**
     * Whether the experts have a capacity, so that a request's likelihood would depend on the other requests in its
     * batch.
     */
    public static boolean hasCapacity(LanguageModel model) {
        return model.config().experts() > 0
                && model.architecture().routing().strategy() == RoutingConfig.Strategy.CAPACITY;
    }

    @Override
    public List<Likelihood> score(List<Request> requests) {
        Likelihood[] results = new Likelihood[requests.size()];
        Integer[] order = new Integer[requests.size()];
        Arrays.setAll(order, i -> i);
        Arrays.sort(
                order, Comparator.comparingInt((Integer i) -> -requests.get(i).length()));
        for (int from = 0; from < order.length; ) {
            int length = requests.get(order[from]).length() - 1;
            int to = Math.min(order.length, from + Math.max(1, batchTokens / length));
            List<Request> batch =
                    Arrays.stream(order, from, to).map(requests::get).toList();
            List<Likelihood> scored = batch(batch, length);
            for (int i = from; i < to; i++) {
                results[order[i]] = scored.get(i - from);
            }
            from = to;
        }
        return List.of(results);
    }

    private List<Likelihood> batch(List<Request> batch, int length) {
        long[] inputs = new long[batch.size() * length];
        // Pad with an ordinary token: the padding token would be masked, which is slower.
        Arrays.fill(inputs, model.config().padding() == 0 ? 1 : 0);
        List<Long> rows = new ArrayList<>();
        List<Integer> targets = new ArrayList<>();
        for (int i = 0; i < batch.size(); i++) {
            Request request = batch.get(i);
            LogProbabilities.checkVocabulary(request, model.config().vocabulary());
            for (int t = 0; t < request.length() - 1; t++) {
                inputs[i * length + t] = request.tokens()[t];
            }
            for (int t = request.from(); t < request.length(); t++) {
                rows.add((long) i * length + t - 1);
                targets.add(request.tokens()[t]);
            }
        }
        long[] noTargets = new long[inputs.length];
        Arrays.fill(noTargets, TokenBatch.NONE);
        try (Scope _ = Scope.open()) {
            Tensor logits_BLV = model.logits(new TokenBatch(inputs, noTargets, batch.size()));
            Tensor logits_RV = logits_BLV
                    .view(-1, logits_BLV.size(-1))
                    .indexSelect(
                            0,
                            Tensor.of(rows.stream().mapToLong(Long::longValue).toArray())
                                    .to(model.device()));
            LogProbabilities probabilities =
                    LogProbabilities.of(logits_RV, targets, model.parameters().precision());
            List<Likelihood> results = new ArrayList<>();
            int row = 0;
            for (Request request : batch) {
                results.add(probabilities.likelihood(request, row));
                row += request.length() - request.from();
            }
            return results;
        }
    }
}
