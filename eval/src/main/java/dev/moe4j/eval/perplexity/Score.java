package dev.moe4j.eval.perplexity;

import java.util.List;

/**
 * How well a model predicts a text, window by window in the order of the text. The windows are kept apart because they
 * carry the uncertainty: two models that read the same windows can be compared window by window.
 *
 * @param windowNats each window's sum of −ln p over its tokens
 * @param windowTokens each window's predicted tokens
 * @param bytes of text that the predicted tokens stand for; 0 if it is not known
 * @param words of text that the predicted tokens stand for, separated by ASCII white space; 0 if it is not known
 * @param load what each MoE layer's experts received, in the order of layers; empty for a dense model
 */
public record Score(double[] windowNats, long[] windowTokens, long bytes, long words, List<ExpertLoad> load) {

    /**
     * What one layer's experts received.
     *
     * @param layer the layer's number, from 0
     * @param load each expert's kept choices as a multiple of an even share, {@code [experts]}; the mean is 1
     * @param overflow for each rank of choice, the percentage of choices that found no place; 0 without a capacity
     */
    public record ExpertLoad(int layer, double[] load, double[] overflow) {}

    public Score {
        load = List.copyOf(load);
        if (windowNats.length == 0 || windowNats.length != windowTokens.length) {
            throw new IllegalArgumentException(
                    windowNats.length + " losses and " + windowTokens.length + " counts are no scored windows");
        }
    }

    /** Windows scored. */
    public int windows() {
        return windowNats.length;
    }

    /** Predicted tokens. */
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

    /** exp of {@link #loss}: depends on the tokenizer, so it compares models of one vocabulary only. */
    public double perplexity() {
        return Math.exp(loss());
    }

    /** exp of the nats per word, which compares models of any vocabulary; NaN where the words are not known. */
    public double wordPerplexity() {
        return words == 0 ? Double.NaN : Math.exp(nats() / words);
    }

    /** Bits per byte of text, which compares models of any vocabulary; NaN where the bytes are not known. */
    public double bitsPerByte() {
        return bytes == 0 ? Double.NaN : nats() / Math.log(2) / bytes;
    }
}
