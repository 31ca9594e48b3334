package dev.moe4j.model.spec;

import dev.moe4j.base.text.NearestName;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Named architectures: those of the published study, small ones for a CPU, and ones with today's block ({@code
 * modern}).
 *
 * <p>The published ones (Artetxe et al. 2021, tables 1 and 7) have GPT-3's dimensions, a context of 2048 and GPT-2's
 * vocabulary. Their mixtures replace every second feed-forward network with 512 experts of the same width, top-2, with
 * a capacity per micro-batch. Their dropout is the published recipes', 0.1 for sizes without a recipe.
 *
 * <p>A run takes its vocabulary from its data; the vocabulary of the small presets is a starting point for
 * measurements.
 */
public final class Presets {

    /** GPT-2's 50,257 entries and the published system's four special tokens, rounded up to a multiple of 8. */
    public static final int GPT2_VOCABULARY = ModelConfig.paddedVocabulary(50_257 + 4);

    private static final int PUBLISHED_CONTEXT = 2048;
    private static final int PUBLISHED_EXPERTS = 512;
    private static final int NO_PADDING = -1;

    private static final RoutingConfig PUBLISHED_ROUTING = new RoutingConfig(
            RoutingConfig.Strategy.CAPACITY, 2, 0, 1, 0.05, false, RoutingConfig.SecondExpert.ALL, false, false);

    /** Softmax over all experts, the weights of the chosen ones scaled to a sum of 1 (Qwen3-MoE). */
    private static final RoutingConfig MODERN_ROUTING = RoutingConfig.DEFAULT;

    /** The routed experts of a token in the larger presets. */
    private static final int MODERN_TOP_K = 8;

    private static final BalanceConfig PUBLISHED_BALANCE =
            new BalanceConfig(0.01, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.MEAN, 0);

    private static final Map<String, Architecture> ARCHITECTURES = architectures();

    private Presets() {}

    /** The names of all presets, small ones first. */
    public static Set<String> names() {
        return ARCHITECTURES.keySet();
    }

    /**
     * The architecture of a preset.
     *
     * @throws ModelException if the name is unknown; the message lists the nearest names
     */
    public static Architecture architecture(String name) {
        Architecture architecture = ARCHITECTURES.get(name);
        if (architecture == null) {
            List<String> nearest = NearestName.names(name, ARCHITECTURES.keySet(), 3);
            throw new ModelException("no preset is called '" + name + "'; "
                    + (nearest.isEmpty() ? "there are " : "the nearest are ")
                    + String.join(", ", nearest.isEmpty() ? ARCHITECTURES.keySet() : nearest));
        }
        return architecture;
    }

    private static Map<String, Architecture> architectures() {
        Map<String, Architecture> all = new LinkedHashMap<>();
        all.put("cpu-tiny-dense", small(4, 64, 64, 2048, 0));
        all.put("cpu-tiny-moe", small(4, 64, 64, 2048, 8));
        all.put("quickstart-dense", small(4, 64, 128, 2048, 0));
        all.put("quickstart-moe", withExpertFfn(small(4, 64, 128, 2048, 32), 128));
        all.put("cpu-dense", small(6, 256, 256, 8192, 0));
        all.put("cpu-moe8", small(6, 256, 256, 8192, 8));
        all.put("cpu-moe32", small(6, 256, 256, 8192, 32));
        all.put("cpu-moe128", small(6, 256, 256, 8192, 128));
        all.put("cpu-modern-dense", smallModern(0));
        all.put("cpu-modern-moe8", smallModern(8));
        all.put("cpu-modern-moe32", smallModern(32));
        all.put("cpu-modern-moe128", smallModern(128));
        all.put("modern-dense-80m", modern(12, 512, 8, 256, 0));
        all.put("modern-dense-200m", modern(16, 768, 12, 384, 0));
        all.put("modern-dense-1b", modern(16, 2048, 16, 768, 0));
        all.put("modern-moe-400m-a80m", modern(12, 512, 8, 256, 80));
        all.put("modern-moe-1b-a200m", modern(16, 768, 12, 384, 72));
        all.put("modern-moe-7b-a1b", modern(16, 2048, 16, 768, 96));
        all.put("dense-125m", published(12, 768, 12, 0.1, 0));
        all.put("dense-355m", published(24, 1024, 16, 0, 0));
        all.put("dense-760m", published(24, 1536, 16, 0.1, 0));
        all.put("dense-1.3b", published(24, 2048, 32, 0.1, 0));
        all.put("dense-2.7b", published(32, 2560, 32, 0.1, 0));
        all.put("dense-6.7b", published(32, 4096, 32, 0.1, 0));
        all.put("dense-13b", published(40, 5120, 40, 0.1, 0));
        all.put("dense-175b", published(96, 12288, 96, 0.1, 0));
        all.put("moe-15b", published(12, 768, 12, 0.1, PUBLISHED_EXPERTS));
        all.put("moe-52b", published(24, 1024, 16, 0, PUBLISHED_EXPERTS));
        all.put("moe-207b", published(24, 2048, 32, 0.1, PUBLISHED_EXPERTS));
        all.put("moe-1.1t", published(32, 4096, 32, 0.1, PUBLISHED_EXPERTS));
        return Collections.unmodifiableMap(all);
    }

    /** Four heads, feed-forward networks and experts of four times the width, dropless top-2. */
    private static Architecture small(int layers, int width, int context, int vocabulary, int experts) {
        return new Architecture(
                model(layers, width, 4, vocabulary, context, 0, experts), RoutingConfig.DEFAULT, BalanceConfig.DEFAULT);
    }

    /** Narrower experts: top-2 of half the width costs the same as the dense network. */
    private static Architecture withExpertFfn(Architecture architecture, int expertFfn) {
        ModelConfig model = architecture.model();
        return new Architecture(model.withExpertFfn(expertFfn), architecture.routing(), architecture.balance());
    }

    /**
     * The sizes of {@code cpu-dense} and {@code cpu-moe…} with today's block. Two heads share a key head, and networks
     * have three matrices, so their inner widths are chosen for equal FLOPs per token, within 1 %.
     */
    private static Architecture smallModern(int experts) {
        ModelConfigBuilder model =
                small(6, 256, 256, 8192, experts).model().toBuilder().ffn(768).expertFfn(720);
        return new Architecture(modernBlock(model, 2).build(), MODERN_ROUTING, BalanceConfig.DEFAULT);
    }

    /**
     * A fine-grained mixture in all layers but the first: the best 8 of the routed experts and one shared expert. The
     * dense networks, and the dense model of the same size, are as wide as the 9 experts of a token together.
     *
     * @param expertFfn the inner width of one expert
     * @param experts the number of routed experts; 0 for the dense model
     */
    private static Architecture modern(int layers, int width, int heads, int expertFfn, int experts) {
        ModelConfigBuilder model =
                model(layers, width, heads, GPT2_VOCABULARY, PUBLISHED_CONTEXT, 0, experts).toBuilder()
                        .ffn((MODERN_TOP_K + 1) * expertFfn)
                        .expertEvery(1)
                        .expertFfn(expertFfn);
        if (experts > 0) {
            model.sharedExperts(1).denseLayers(List.of(0));
        }
        return new Architecture(
                modernBlock(model, 4).build(), MODERN_ROUTING.withTopK(MODERN_TOP_K), BalanceConfig.DEFAULT);
    }

    /** RMSNorm, RoPE, grouped-query attention with a norm of each head, SwiGLU, no biases. */
    private static ModelConfigBuilder modernBlock(ModelConfigBuilder model, int kvHeads) {
        return model.positions(Positions.ROPE)
                .activation(Activation.SILU)
                .norm(NormConfig.RMS)
                .attention(new AttentionConfig(kvHeads, 0, AttentionConfig.Bias.NONE, AttentionConfig.QkNorm.HEAD, 0))
                .feedForward(new FeedForwardConfig(true, false))
                .multipliers(MultiplierConfig.NONE);
    }

    private static Architecture published(int layers, int width, int heads, double dropout, int experts) {
        return new Architecture(
                model(layers, width, heads, GPT2_VOCABULARY, PUBLISHED_CONTEXT, dropout, experts),
                PUBLISHED_ROUTING,
                PUBLISHED_BALANCE);
    }

    private static ModelConfig model(
            int layers, int width, int heads, int vocabulary, int context, double dropout, int experts) {
        return new ModelConfig(
                layers,
                width,
                heads,
                4 * width,
                vocabulary,
                context,
                Activation.GELU,
                dropout,
                dropout,
                NO_PADDING,
                experts,
                2,
                4 * width,
                0);
    }
}
