package dev.moe4j.serve.engine;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * How the next token is drawn from a model's logits.
 *
 * @param temperature divides the logits; 0 takes the most likely token always
 * @param topK only that many of the most likely tokens can be drawn; 0: all
 * @param topP only the most likely tokens that together reach this probability can be drawn (Holtzman et al. 2020);
 *     1: all
 */
public record Sampling(double temperature, int topK, double topP) {

    /** The model's own distribution. */
    public static final Sampling DEFAULT = new Sampling(1, 0, 1);

    public Sampling {
        if (!(temperature >= 0) || Double.isInfinite(temperature)) {
            throw new ServeException("a temperature of " + temperature + " cannot be sampled at; give 0 or more");
        }
        if (topK < 0) {
            throw new ServeException("top-k " + topK + " is negative; give 0 to draw from all tokens");
        }
        if (!(topP > 0 && topP <= 1)) {
            throw new ServeException("top-p " + topP + " is no share of probability; give one above 0, up to 1");
        }
    }

    /**
     * Draws a token.
     *
     * @param logits one for each token
     * @param uniform from 0 to below 1: decides which
     */
    int draw(double[] logits, double uniform) {
        for (double logit : logits) {
            if (Double.isNaN(logit) || logit == Double.POSITIVE_INFINITY) {
                throw new ServeException("the model's logits are " + logit
                        + ": its parameters or its precision cannot be used; take an earlier checkpoint, or fp32");
            }
        }
        if (temperature == 0) {
            return likeliest(logits);
        }
        boolean all = topK == 0 && topP == 1;
        // Sorting a vocabulary takes longer than the rest of a draw, and a draw from all of it needs no order.
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

    /** The most likely token, of equal ones the first. */
    private static int likeliest(double[] logits) {
        int best = 0;
        for (int token = 1; token < logits.length; token++) {
            best = logits[token] > logits[best] ? token : best;
        }
        return best;
    }

    /** The tokens from the most likely one on, equal ones by their number. */
    private static int[] fallingOrder(double[] logits) {
        // One long each, the logit above the token: a vocabulary is sorted for every token, and boxed ones take long.
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
