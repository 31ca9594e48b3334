package dev.moe4j.model.spec;

/**
 * How the router's logits become scores and combine weights. Configuration keys are these names in snake case under
 * {@code routing.gate}.
 *
 * @param scores the function of the logits
 * @param selectionBias whether a bias per expert is added to the scores when experts are chosen, but not to the weights
 *     (DeepSeek-V3)
 * @param renormalize whether the weights of a token's experts are scaled to a sum of 1. Softmax scores of a single expert
 *     are never scaled, because the router would get no gradient.
 * @param scale the factor of the combine weights
 */
public record GateConfig(Scores scores, boolean selectionBias, boolean renormalize, double scale) {

    /** The function of the logits. */
    public enum Scores {
        /** Softmax over all experts. Renormalised, it equals a softmax over the chosen experts. */
        SOFTMAX,
        /** Sigmoid of each logit. */
        SIGMOID
    }

    /** The gate of the published system. */
    public static final GateConfig PUBLISHED = new GateConfig(Scores.SOFTMAX, false, true, 1);

    public GateConfig {
        if (!(scale > 0 && scale < Double.POSITIVE_INFINITY)) {
            throw new ModelException("routing.gate.scale: " + scale + " is out of range; use a number above 0");
        }
    }
}
