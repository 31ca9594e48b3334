package dev.moe4j.serve.engine;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Draws the next token from a model's logits, with temperature, top-k and top-p (nucleus) sampling.
 *
 * @param temperature divides the logits. 0 always takes the most likely token (greedy decoding)
 * @param topK draws from the {@code topK} most likely tokens. 0 turns top-k off
 * @param topP draws from the smallest set of most likely tokens with at least this total probability (Holtzman et al.
 *     2020). 1 turns top-p off
 */
public record Sampling(double temperature, int topK, double topP) {

    /** Samples from the model's unmodified distribution. */
    public static final Sampling DEFAULT = new Sampling(1, 0, 1);

    public Sampling {
        if (!(temperature >= 0) || Double.isInfinite(temperature)) {
            throw new ServeException("a temperature of " + temperature + " is not possible; give 0 or more");
        }
        if (topK < 0) {
            throw new ServeException("top-k " + topK + " is negative; give 0 to draw from all tokens");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new ServeException(
                    "top-p " + topP + " is not a probability above 0 and up to 1; give 1 to draw from all tokens");
        }
    }

    /**
     * Draws a token.
     *
     * @param logits {@code [tokens]}
     * @param uniform a uniform random number in [0, 1), which selects the token
     * @return the token's number
     * @throws ServeException if a logit is NaN or +∞
     */
    int draw(double[] logits, double uniform) {
        for (double logit : logits) {
            if (Double.isNaN(logit) || logit == Double.POSITIVE_INFINITY) {
                throw new ServeException(
                        "the model's logits are " + logit
                                + ": its parameters are damaged or its precision overflows; use an earlier checkpoint, or fp32");
            }
        }
        if (temperature == 0) {
            return likeliest(logits);
        }
        boolean all = topK == 0 && topP == 1;
        // Sorting the vocabulary is the slowest part of a draw, so it is skipped without top-k and top-p.
        int[] order = all ? IntStream.range(0, logits.length).toArray() : fallingOrder(logits);
        double largest = logits[all ? likeliest(logits) : order[0]];
        int count = topK == 0 ? order.length : Math.min(topK, order.length);
        double[] weights = Arrays.stream(order, 0, count)
                .mapToDouble(token -> Math.exp((logits[token] - largest) / temperature))
                .toArray();
        double total = Arrays.stream(weights).sum();
        double kept = 0;
        int choices = 0;
        while (choices < count && (all || kept < topP * total)) {
            kept += weights[choices++];
        }
        double left = uniform * kept;
        int last = 0;
        for (int i = 0; i < choices; i++) {
            left -= weights[i];
            if (left < 0) {
                return order[i];
            }
            last = weights[i] > 0 ? i : last;
        }
        return order[last];
    }

    /** Returns the most likely token, and the first of several equal ones. */
    private static int likeliest(double[] logits) {
        int best = 0;
        for (int token = 1; token < logits.length; token++) {
            best = logits[token] > logits[best] ? token : best;
        }
        return best;
    }

    /** Returns all tokens by descending logit, and equal ones by ascending number. */
    private static int[] fallingOrder(double[] logits) {
        // Each token becomes a long with the logit in the upper bits: sorting boxed tokens would take too long.
        long[] keys = new long[logits.length];
        for (int token = 0; token < keys.length; token++) {
            int bits = Float.floatToIntBits((float) -logits[token]);
            int rising = bits ^ (bits >> 31 & Integer.MAX_VALUE);
            keys[token] = (long) rising << 32 | token;
        }
        Arrays.sort(keys);
        return Arrays.stream(keys).mapToInt(key -> (int) key).toArray();
    }
}
