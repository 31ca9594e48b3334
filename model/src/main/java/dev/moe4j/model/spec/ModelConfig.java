package dev.moe4j.model.spec;

import java.util.List;

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
 * @param denseLayers indices, from 0, of layers that are dense although {@code expertEvery} would make them MoE layers
 * @param norm the norms
 * @param rope rotary positions, if {@code positions} selects them
 * @param attention grouped-query attention, width of heads, biases and norms of queries and keys
 * @param feedForward the form of feed-forward networks and experts
 * @param shared the form of the shared experts' network
 * @param multipliers constant factors of embeddings, residual branches and logits
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
        int sharedExperts,
        List<Integer> denseLayers,
        NormConfig norm,
        RopeConfig rope,
        AttentionConfig attention,
        FeedForwardConfig feedForward,
        SharedExpertConfig shared,
        MultiplierConfig multipliers) {

    /** Stands for the tokenizer's vocabulary in the configuration of a run. */
    public static final int OF_TOKENIZER = 0;

    /** The most elements of a sinusoidal position table, which is computed on the Java heap: 1 GiB. */
    private static final long MOST_POSITIONS = 1L << 28;

    public ModelConfig {
        denseLayers = List.copyOf(denseLayers);
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
        checkAttention(width, heads, positions, rope, attention);
        checkDenseLayers(layers, experts, expertEvery, denseLayers);
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

    /** A model with the published block: layer norm, biases, networks without a gate, as many key as query heads. */
    public ModelConfig(
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
        this(
                layers,
                width,
                heads,
                ffn,
                vocabulary,
                context,
                positions,
                tied,
                activation,
                dropout,
                attentionDropout,
                activationDropout,
                padding,
                experts,
                expertEvery,
                expertFfn,
                sharedExperts,
                List.of(),
                NormConfig.LAYER,
                RopeConfig.DEFAULT,
                AttentionConfig.PUBLISHED,
                FeedForwardConfig.PUBLISHED,
                SharedExpertConfig.DEFAULT,
                MultiplierConfig.PUBLISHED);
    }

    /** The published block with sinusoidal positions, tied output projection and no activation dropout. */
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

    private static void checkAttention(
            int width, int heads, Positions positions, RopeConfig rope, AttentionConfig attention) {
        if (attention.headWidth() == 0 && width % heads != 0) {
            throw new ModelException("model.heads: " + heads + " does not divide the width " + width
                    + "; use a divisor of the width, or set model.attention.head_width");
        }
        if (attention.kvHeads() > 0 && heads % attention.kvHeads() != 0) {
            throw new ModelException("model.attention.kv_heads: " + attention.kvHeads() + " does not divide the "
                    + heads + " heads; use a divisor of model.heads");
        }
        int headWidth = attention.headWidth() == 0 ? width / heads : attention.headWidth();
        if (positions == Positions.ROPE && rope.rotated(headWidth) < 2) {
            throw new ModelException("model.rope.fraction: " + rope.fraction() + " of a head's " + headWidth
                    + " elements is less than one pair; use a larger fraction or wider heads");
        }
    }

    private static void checkDenseLayers(int layers, int experts, int expertEvery, List<Integer> denseLayers) {
        for (int layer : denseLayers) {
            if (layer < 0 || layer >= layers) {
                throw new ModelException(
                        "model.dense_layers: there is no layer " + layer + "; the layers are 0 to " + (layers - 1));
            }
        }
        if (experts > 0 && moeLayers(layers, experts, expertEvery, denseLayers) == 0) {
            throw new ModelException("model.dense_layers: " + denseLayers + " leaves no layer with experts"
                    + "; remove one, or use model.experts=0 for a dense model");
        }
    }

    /** The number of MoE layers among the first {@code layers}. */
    private static int moeLayers(int layers, int experts, int expertEvery, List<Integer> denseLayers) {
        long excluded = denseLayers.stream()
                .distinct()
                .filter(layer -> layer < layers && (layer + 1) % expertEvery == 0)
                .count();
        return experts > 0 ? layers / expertEvery - (int) excluded : 0;
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
        return experts > 0 && (layer + 1) % expertEvery == 0 && !denseLayers.contains(layer);
    }

    /** The number of MoE layers. */
    public int moeLayers() {
        return moeLayers(layers, experts, expertEvery, denseLayers);
    }

    /** The number of MoE layers before the layer of this index. */
    public int moeLayersBefore(int layer) {
        return moeLayers(layer, experts, expertEvery, denseLayers);
    }

    /** Whether the block has the published system's parts only. */
    public boolean hasPublishedBlock() {
        return norm.equals(NormConfig.LAYER)
                && positions != Positions.ROPE
                && attention.equals(AttentionConfig.PUBLISHED)
                && feedForward.equals(FeedForwardConfig.PUBLISHED)
                && activation != Activation.SILU
                && multipliers.equals(MultiplierConfig.PUBLISHED);
    }

    /** The number of key and value heads. */
    public int kvHeads() {
        return attention.kvHeads() == 0 ? heads : attention.kvHeads();
    }

    /** The width of a head of attention. */
    public int headWidth() {
        return attention.headWidth() == 0 ? width / heads : attention.headWidth();
    }

    /** The inner width of all shared experts together; 0 if there are none. */
    public int sharedFfn() {
        if (sharedExperts == 0) {
            return 0;
        }
        return shared.ffn() == 0 ? Math.multiplyExact(sharedExperts, expertFfn) : shared.ffn();
    }

    public ModelConfig withVocabulary(int size) {
        return new ModelConfigBuilder(this).vocabulary(size).build();
    }

    /** The same model with other positions and another output projection. */
    public ModelConfig withEmbeddings(Positions newPositions, boolean newTied) {
        return new ModelConfigBuilder(this)
                .positions(newPositions)
                .tied(newTied)
                .build();
    }

    public ModelConfig withDropout(double probability) {
        return new ModelConfigBuilder(this).dropout(probability).build();
    }

    public ModelConfig withActivationDropout(double probability) {
        return new ModelConfigBuilder(this).activationDropout(probability).build();
    }

    public ModelConfig withExpertFfn(int size) {
        return new ModelConfigBuilder(this).expertFfn(size).build();
    }

    /** A builder that starts from this model. */
    public ModelConfigBuilder toBuilder() {
        return new ModelConfigBuilder(this);
    }
}
