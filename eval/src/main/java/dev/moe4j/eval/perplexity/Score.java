package dev.moe4j.eval.perplexity;

import java.util.List;

/**
 * The negative log-likelihood of a text under a model, per window in the order of the text. The windows carry the
 * uncertainty: two models that scored the same windows can be compared window by window.
 *
 * @param windowNats sum of −ln p over the tokens of each window, {@code [windows]}
 * @param windowTokens number of predicted tokens of each window, {@code [windows]}
 * @param bytes bytes of text that the predicted tokens stand for; 0 if not known
 * @param words words of text that the predicted tokens stand for, separated by ASCII white space; 0 if not known
 * @param load expert load of each MoE layer, in layer order; empty for a dense model
 */
public record Score(double[] windowNats, long[] windowTokens, long bytes, long words, List<ExpertLoad> load) {

    /**
     * The expert load of one layer.
     *
     * @param layer the layer's number, from 0
     * @param load tokens kept by each expert as a multiple of an even share, {@code [experts]}; the mean is 1
     * @param overflow percentage of dropped tokens (over capacity) for each rank of the top-k choice; 0 without a
     *     capacity
     */
    public record ExpertLoad(int layer, double[] load, double[] overflow) {}

    public Score {
        load = List.copyOf(load);
        if (windowNats.length == 0 || windowNats.length != windowTokens.length) {
            throw new IllegalArgumentException(
                    windowNats.length + " losses and " + windowTokens.length + " token counts do not match");
        }
    }

    /** The number of windows. */
    public int windows() {
        return windowNats.length;
    }

    /** The number of predicted tokens. */
    public long tokens() {
        long sum = 0;
        for (long count : windowTokens) {
            sum += count;
        }
        return sum;
    }

    /** The sum of −ln p over all tokens. */
    public double nats() {
        double sum = 0;
        for (double window : windowNats) {
            sum += window;
        }
        return sum;
    }

    /** Nats per token. */
    public double loss() {
        return nats() / tokens();
    }

    /**
     * Perplexity per token, exp of {@link #loss}. It depends on the tokenizer, so it compares models of the same
     * vocabulary only.
     */
    public double perplexity() {
        return Math.exp(loss());
    }

    /**
     * Perplexity per word, exp of the nats per word. It compares models of any vocabulary. NaN if the words are not
     * known.
     */
    public double wordPerplexity() {
        return words == 0 ? Double.NaN : Math.exp(nats() / words);
    }

    /** Bits per byte of text. It compares models of any vocabulary. NaN if the bytes are not known. */
    public double bitsPerByte() {
        return bytes == 0 ? Double.NaN : nats() / Math.log(2) / bytes;
    }
}
