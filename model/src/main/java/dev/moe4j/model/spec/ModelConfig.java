package dev.moe4j.model.spec;

/**
 * The dimensions of a decoder-only Transformer, dense or with mixture-of-experts layers. Configuration keys are these
 * names in snake case under {@code model}.
 *
 * @param layers the number of Transformer blocks
 * @param width elements of a token's vector, {@code model} in shapes
 * @param heads attention heads; must divide the width
 * @param ffn inner width of the dense feed-forward network
 * @param vocabulary tokens with an embedding, a multiple of 8; {@link #OF_TOKENIZER} if a run takes it from its data
 * @param context longest sequence in tokens
 * @param positions the kind of position embedding
 * @param tied whether the output projection shares the embedding's table
 * @param activation the activation of feed-forward networks and experts
 * @param dropout dropout probability on embeddings, after attention and after feed-forward networks (inside each
 *     expert)
 * @param attentionDropout dropout probability on attention weights
 * @param activationDropout dropout probability after the activation, inside feed-forward networks and experts
 * @param padding id of the padding token, which has no position and no loss; −1 for none
 * @param experts experts of each MoE layer; 0 makes the model dense
 * @param expertEvery the interval of MoE layers: 2 makes the second, fourth, … layer one
 * @param expertFfn inner width of one expert
 * @param sharedExperts experts of that width that every token passes through, in addition to its top-k
 */
public record ModelConfig(
        int layers,
        int width,
        int heads,
        int ffn,
        int vocabulary,
        int context,
        Positions positions,
        boolean tied,
        Activation activation,
        double dropout,
        double attentionDropout,
        double activationDropout,
        int padding,
        int experts,
        int expertEvery,
        int expertFfn,
        int sharedExperts) {

    /** Stands for the tokenizer's vocabulary in the configuration of a run. */
    public static final int OF_TOKENIZER = 0;

    /** The most elements of a sinusoidal position table, which is computed on the Java heap: 1 GiB. */
    private static final long MOST_POSITIONS = 1L << 28;

    public ModelConfig {
        atLeast("layers", layers, 1);
        atLeast("width", width, 4);
        atLeast("heads", heads, 1);
        atLeast("ffn", ffn, 1);
        atLeast("vocabulary", vocabulary, vocabulary == OF_TOKENIZER ? OF_TOKENIZER : 8);
        atLeast("context", context, 1);
        atLeast("padding", padding, -1);
        atLeast("experts", experts, 0);
        atLeast("expert_every", expertEvery, 1);
        if (experts > 0 && expertEvery > layers) {
            throw new ModelException("model.expert_every: " + expertEvery + " is more than the " + layers + " layers"
                    + ", so no layer would have experts; use a smaller value, or model.experts=0 for a dense model");
        }
        atLeast("expert_ffn", expertFfn, experts > 0 ? 1 : 0);
        atLeast("shared_experts", sharedExperts, 0);
        probability("dropout", dropout);
        probability("attention_dropout", attentionDropout);
        probability("activation_dropout", activationDropout);
        if (width % heads != 0) {
            throw new ModelException(
                    "model.heads: " + heads + " does not divide the width " + width + "; use a divisor of the width");
        }
        if (vocabulary % 8 != 0) {
            throw new ModelException(
                    "model.vocabulary: " + vocabulary + " is not a multiple of 8; use " + paddedVocabulary(vocabulary));
        }
        if (positions == Positions.SINUSOIDAL && (long) context * width > MOST_POSITIONS) {
            throw new ModelException("model.context: " + context + " positions of width " + width
                    + " make a table of more than " + MOST_POSITIONS + " numbers; use a shorter context");
        }
        if (vocabulary != OF_TOKENIZER && padding >= vocabulary) {
            throw new ModelException("model.padding: token " + padding + " is outside the vocabulary of " + vocabulary);
        }
    }

    /** A model with sinusoidal positions, tied output projection and no activation dropout. */
    public ModelConfig(
            int layers,
            int width,
            int heads,
            int ffn,
            int vocabulary,
            int context,
            Activation activation,
            double dropout,
            double attentionDropout,
            int padding,
            int experts,
            int expertEvery,
            int expertFfn,
            int sharedExperts) {
        this(
                layers,
                width,
                heads,
                ffn,
                vocabulary,
                context,
                Positions.SINUSOIDAL,
                true,
                activation,
                dropout,
                attentionDropout,
                0,
                padding,
                experts,
                expertEvery,
                expertFfn,
                sharedExperts);
    }

    private static void atLeast(String key, int value, int bound) {
        if (value < bound) {
            throw new ModelException("model." + key + ": " + value + " is too small; use at least " + bound);
        }
    }

    private static void probability(String key, double value) {
        if (!(value >= 0 && value < 1)) {
            throw new ModelException(
                    "model." + key + ": " + value + " is not a probability; use a number from 0 to below 1");
        }
    }

    /** The vocabulary size rounded up to a multiple of 8, which speeds up matrix products. */
    public static int paddedVocabulary(int vocabulary) {
        return Math.ceilDiv(vocabulary, 8) * 8;
    }

    /** Whether the layer of this index, from 0, is a MoE layer. */
    public boolean isMoeLayer(int layer) {
        return experts > 0 && (layer + 1) % expertEvery == 0;
    }

    public int moeLayers() {
        return experts > 0 ? layers / expertEvery : 0;
    }

    public int headWidth() {
        return width / heads;
    }

    public ModelConfig withVocabulary(int size) {
        return with(size, positions, tied, dropout, activationDropout, expertFfn);
    }

    /** The same model with other positions and another output projection. */
    public ModelConfig withEmbeddings(Positions newPositions, boolean newTied) {
        return with(vocabulary, newPositions, newTied, dropout, activationDropout, expertFfn);
    }

    public ModelConfig withDropout(double probability) {
        return with(vocabulary, positions, tied, probability, activationDropout, expertFfn);
    }

    public ModelConfig withActivationDropout(double probability) {
        return with(vocabulary, positions, tied, dropout, probability, expertFfn);
    }

    public ModelConfig withExpertFfn(int size) {
        return with(vocabulary, positions, tied, dropout, activationDropout, size);
    }

    private ModelConfig with(
            int newVocabulary,
            Positions newPositions,
            boolean newTied,
            double newDropout,
            double newActivationDropout,
            int newExpertFfn) {
        return new ModelConfig(
                layers,
                width,
                heads,
                ffn,
                newVocabulary,
                context,
                newPositions,
                newTied,
                activation,
                newDropout,
                attentionDropout,
                newActivationDropout,
                padding,
                experts,
                expertEvery,
                newExpertFfn,
                sharedExperts);
    }
}
