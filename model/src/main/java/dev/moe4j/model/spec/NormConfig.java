package dev.moe4j.model.spec;

/**
 * The norm before attention, before the feed-forward network and before the head. Configuration keys are these names
 * under {@code model.norm}.
 *
 * @param kind the formula
 * @param epsilon added to the variance or the mean square, against division by zero
 */
public record NormConfig(Kind kind, double epsilon) {

    /** The formula of a norm. */
    public enum Kind {
        /** Layer norm with weight and bias (Ba et al. 2016). */
        LAYER,
        /** Root mean square norm with a weight (Zhang and Sennrich 2019). */
        RMS
    }

    /** The layer norm of the published system. */
    public static final NormConfig LAYER = new NormConfig(Kind.LAYER, 1e-5);

    /** RMSNorm with the epsilon of Llama and its successors. */
    public static final NormConfig RMS = new NormConfig(Kind.RMS, 1e-5);

    public NormConfig {
        if (!(epsilon >= 0 && epsilon < 1)) {
            throw new ModelException(
                    "model.norm.epsilon: " + epsilon + " is out of range; use a small number such as 1e-5");
        }
    }
}
