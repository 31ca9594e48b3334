package dev.moe4j.model.spec;

/**
 * The parts of attention that {@code model.heads} does not determine. Configuration keys are these names in snake case
 * under {@code model.attention}.
 *
 * @param kvHeads the number of key and value heads (grouped-query attention, Ainslie et al. 2023), which must divide the
 *     number of heads; 0 for one per head
 * @param headWidth the width of a head; 0 for {@code model.width / model.heads}
 * @param bias the projections that have a bias
 * @param qkNorm the RMSNorm of queries and keys
 * @param scale the factor of the scores q · k; 0 for 1/√(head width)
 */
public record AttentionConfig(int kvHeads, int headWidth, Bias bias, QkNorm qkNorm, double scale) {

    /** The projections that have a bias. */
    public enum Bias {
        NONE,
        /** Queries, keys and values, but not the output projection. */
        QKV,
        ALL
    }

    /** The RMSNorm of queries and keys, before their rotation. */
    public enum QkNorm {
        NONE,
        /** Each head separately; all heads share one weight. */
        HEAD,
        /** All heads of a token together. */
        WIDTH
    }

    /** The attention of the published system. */
    public static final AttentionConfig PUBLISHED = new AttentionConfig(0, 0, Bias.ALL, QkNorm.NONE, 0);

    public AttentionConfig {
        if (kvHeads < 0) {
            throw new ModelException("model.attention.kv_heads: " + kvHeads + " is negative; use 0 for one per head");
        }
        if (headWidth < 0) {
            throw new ModelException(
                    "model.attention.head_width: " + headWidth + " is negative; use 0 for model.width / model.heads");
        }
        if (!(scale >= 0 && scale < Double.POSITIVE_INFINITY)) {
            throw new ModelException("model.attention.scale: " + scale + " is out of range; use 0 for 1/√(head width)");
        }
    }
}
