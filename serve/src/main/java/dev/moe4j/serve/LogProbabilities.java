package dev.moe4j.serve;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.stream.IntStream;

/** What logits say of the next token: ln p, by the model's own distribution. */
final class LogProbabilities {
    private final double[] logits;
    private final double logSum;

    /**
     * One position's.
     *
     * @param logits one for each token of the vocabulary
     */
    LogProbabilities(double... logits) {
        this.logits = logits;
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
        IntStream.range(0, count == 0 ? 0 : logits.length).forEach(token -> {
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
