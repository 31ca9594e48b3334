package dev.moe4j.train;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.Arrays;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Measures the margin of a run's routing decisions: the smallest difference between consecutive logits of a token's
 * sorted choices, over all tokens, layers and steps. The first expert that was not chosen counts too.
 */
final class RoutingMargin {

    /** The norm before a layer's router or feed-forward network. */
    private static final Pattern NORM = Pattern.compile("layers\\.(\\d+)\\.norm");

    private double least = Double.POSITIVE_INFINITY;
    private double squares;
    private long logits;

    /** Starts to record the trainer's steps. */
    void watch(Trainer trainer) {
        LanguageModel model = trainer.model();
        trainer.inspect(new Tape.Inspector() {
            @Override
            public void forward(String section, Tensor output) {
                Matcher layer = NORM.matcher(section);
                if (layer.matches() && model.config().isMoeLayer(Integer.parseInt(layer.group(1)))) {
                    Parameter gate = model.parameters().get("model.layers." + layer.group(1) + ".moe.gate.weight");
                    add(output, gate.tensor(), model.architecture().routing().topK());
                }
            }

            @Override
            public void backward(String section, Tensor gradient) {}
        });
    }

    private void add(Tensor h_TD, Tensor gate_ED, int choices) {
        double[] logits_TE =
                h_TD.to(DType.FLOAT64).matmul(gate_ED.to(DType.FLOAT64).t()).toDoubles();
        int experts = (int) gate_ED.size(0);
        for (int start = 0; start < logits_TE.length; start += experts) {
            double[] ascending = Arrays.copyOfRange(logits_TE, start, start + experts);
            Arrays.sort(ascending);
            for (int i = experts - 1; i >= Math.max(1, experts - choices); i--) {
                least = Math.min(least, ascending[i] - ascending[i - 1]);
            }
        }
        squares += Arrays.stream(logits_TE).map(logit -> logit * logit).sum();
        logits += logits_TE.length;
    }

    /** The margin over the root mean square of the logits. */
    double relative() {
        return least / Math.sqrt(squares / logits);
    }

    @Override
    public String toString() {
        return "routing margin %.2e, %.2e of the logits' root mean square (%d logits)"
                .formatted(least, relative(), logits);
    }
}
