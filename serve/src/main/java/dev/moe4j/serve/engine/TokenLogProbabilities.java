package dev.moe4j.serve.engine;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/**
 * The log-probabilities of the next token, ln p, in the model's distribution before sampling. As in {@code eval}, they are
 * normalised over all rows of the model's output. These include rows that pad the vocabulary and tokens that are never
 * drawn.
 */
final class TokenLogProbabilities {
    private final double[] logits;
    private final int tokens;
    private final double logSum;

    /**
     * Computes the log-probabilities at one position.
     *
     * @param logits {@code [rows]}, the model's output
     * @param tokens the size of the tokenizer's vocabulary; later rows are never reported as alternatives
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

    /** Returns the token with its log-probability and the given number of alternatives. */
    ScoredToken score(int token, int offset, int alternatives) {
        return new ScoredToken(token, offset, of(token), likeliest(alternatives));
    }

    /** Returns a token without a log-probability, for the first position of a sequence. */
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
