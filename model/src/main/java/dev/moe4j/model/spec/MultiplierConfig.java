package dev.moe4j.model.spec;

/**
 * Constant factors of a model's values (Granite; μP, Yang et al. 2022). Configuration keys are these names under {@code
 * model.multipliers}.
 *
 * @param embedding the factor of token embeddings; 0 for √width, as published
 * @param residual the factor of the outputs of attention and feed-forward networks before they are added to the residual
 *     stream
 * @param logits the factor of the logits
 */
public record MultiplierConfig(double embedding, double residual, double logits) {

    /** Embeddings times √width. */
    public static final MultiplierConfig PUBLISHED = new MultiplierConfig(0, 1, 1);

    /** No factors. */
    public static final MultiplierConfig NONE = new MultiplierConfig(1, 1, 1);

    public MultiplierConfig {
        positive("embedding", embedding, embedding == 0);
        positive("residual", residual, false);
        positive("logits", logits, false);
    }

    private static void positive(String key, double value, boolean allowed) {
        if (!allowed && !(value > 0 && value < Double.POSITIVE_INFINITY)) {
            throw new ModelException(
                    "model.multipliers." + key + ": " + value + " is out of range; use a number above 0");
        }
    }

    /** The factor of token embeddings in a model of the given width. */
    public double embedding(int width) {
        return embedding == 0 ? Math.sqrt(width) : embedding;
    }
}
