package dev.moe4j.serve.engine;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/**
 * The log-probabilities of the next token, ln p, by the model's own distribution. They are normalised over all rows of the
 * model's output, as in {@code eval}: rows that only pad the vocabulary, and tokens that are never drawn, count too.
 */
final class TokenLogProbabilities {
    private final double[] logits;
    private final int tokens;
    private final double logSum;

    /**
     * The log-probabilities at one position.
     *
     * @param logits one for each row of the model's output
     * @param tokens rows that are tokens, the first ones; only these are reported as alternatives
     */
    TokenLogProbabilities(double[] logits, int tokens) {
        this.logits = logits;
        this.tokens = tokens;
        double largest = Arrays.stream(logits).max().orElseThrow();
        this.logSum = largest
                + Math.log(Arrays.stream(logits)
                        .map(logit -> Math.exp(logit - largest))
                        .sum());
    }

    /** What is reported of a token, with so many alternatives. */
    ScoredToken score(int token, int offset, int alternatives) {
        return new ScoredToken(token, offset, of(token), likeliest(alternatives));
    }

    /** A token that nothing is before. */
    static ScoredToken unknown(int token, int offset) {
        return new ScoredToken(token, offset, null, List.of());
    }

    private double of(int token) {
        return logits[token] - logSum;
    }

    private List<ScoredToken.Alternative> likeliest(int count) {
        Comparator<Integer> rising =
                Comparator.<Integer>comparingDouble(token -> logits[token]).thenComparing(Comparator.reverseOrder());
        PriorityQueue<Integer> best = new PriorityQueue<>(rising);
        IntStream.range(0, count == 0 ? 0 : tokens).forEach(token -> {
            if (best.size() < count) {
                best.add(token);
            } else if (rising.compare(token, best.element()) > 0) {
                best.remove();
                best.add(token);
            }
        });
        return best.stream()
                .sorted(rising.reversed())
                .map(token -> new ScoredToken.Alternative(token, of(token)))
                .toList();
    }
}
