package dev.moe4j.model.block;

import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One layer's attention: its norm, projections, norms of queries and keys, and shape. How it is computed is up to a
 * section: {@link AttentionSection}, {@link BlockedAttentionSection}, or the decoder's with a KV cache.
 *
 * <p>Shapes: T tokens, D model, H query heads, K key and value heads, C head width, J = H + 2K.
 *
 * @param norm the norm before the projections
 * @param qkv the projections to queries, keys and values, stacked in this order: {@code [J · C, model]}
 * @param queryNorm the norm of queries; null for none
 * @param keyNorm the norm of keys; null for none
 * @param out the output projection, {@code [model, H · C]}
 * @param perHead whether the norms of queries and keys treat each head by itself
 * @param heads H
 * @param kvHeads K; each serves H / K consecutive query heads
 * @param headWidth C
 * @param scale the factor of the scores q · k
 * @param residual the factor of the output before it is added to the residual stream
 */
public record Attention(
        Norm norm,
        Linear qkv,
        @Nullable Norm queryNorm,
        @Nullable Norm keyNorm,
        Linear out,
        boolean perHead,
        int heads,
        int kvHeads,
        int headWidth,
        double scale,
        double residual) {

    /** The attention of the layer whose parameters have names that start with {@code prefix}. */
    public static Attention of(ModelConfig config, String prefix, Parameters parameters) {
        AttentionConfig attention = config.attention();
        String own = prefix + "self_attn.";
        boolean normed = attention.qkNorm() != AttentionConfig.QkNorm.NONE;
        double epsilon = config.norm().epsilon();
        return new Attention(
                Norm.of(config.norm(), normName(prefix), parameters),
                linear(own + "qkv_proj", attention.bias() != AttentionConfig.Bias.NONE, parameters),
                normed ? new RmsNorm(parameters.get(own + "q_norm.weight"), epsilon) : null,
                normed ? new RmsNorm(parameters.get(own + "k_norm.weight"), epsilon) : null,
                linear(own + "out_proj", attention.bias() == AttentionConfig.Bias.ALL, parameters),
                attention.qkNorm() == AttentionConfig.QkNorm.HEAD,
                config.heads(),
                config.kvHeads(),
                config.headWidth(),
                attention.scale() == 0 ? 1 / Math.sqrt((double) config.headWidth()) : attention.scale(),
                config.multipliers().residual());
    }

    private static Linear linear(String name, boolean bias, Parameters parameters) {
        return new Linear(parameters.get(name + ".weight"), bias ? parameters.get(name + ".bias") : null);
    }

    /** The name of the norm of the layer whose parameters have names that start with {@code prefix}. */
    public static String normName(String prefix) {
        return prefix + "self_attn_layer_norm";
    }

    /** The specifications of the parameters, without those of the norm before the projections. */
    public static List<Parameter.Spec> specs(ModelConfig config, String prefix) {
        AttentionConfig attention = config.attention();
        String own = prefix + "self_attn.";
        int width = config.width();
        int queries = Math.multiplyExact(config.heads(), config.headWidth());
        int keys = Math.multiplyExact(config.kvHeads(), config.headWidth());
        List<Parameter.Spec> specs = new ArrayList<>();
        specs.add(new Parameter.Spec(
                own + "qkv_proj.weight",
                List.of(queries + 2L * keys, (long) width),
                parts(own, "weight", queries, keys),
                false,
                Initializations.xavier(1 / Math.sqrt(2)),
                true));
        if (attention.bias() != AttentionConfig.Bias.NONE) {
            specs.add(new Parameter.Spec(
                    own + "qkv_proj.bias",
                    List.of(queries + 2L * keys),
                    parts(own, "bias", queries, keys),
                    false,
                    Initializations.fanIn(width),
                    false));
        }
        specs.add(Parameter.Spec.of(
                own + "out_proj.weight", List.of((long) width, (long) queries), Initializations.xavier(1), true));
        if (attention.bias() == AttentionConfig.Bias.ALL) {
            specs.add(Parameter.Spec.of(own + "out_proj.bias", List.of((long) width), Initializations.ZERO, false));
        }
        boolean perHead = attention.qkNorm() == AttentionConfig.QkNorm.HEAD;
        if (attention.qkNorm() != AttentionConfig.QkNorm.NONE) {
            specs.addAll(RmsNorm.specs(own + "q_norm", perHead ? config.headWidth() : queries));
            specs.addAll(RmsNorm.specs(own + "k_norm", perHead ? config.headWidth() : keys));
        }
        return specs;
    }

    /** FLOPs of the projections to queries, keys and values, for one token. */
    public static double projectionFlops(ModelConfig config) {
        return 2.0 * config.width() * (config.heads() + 2.0 * config.kvHeads()) * config.headWidth();
    }

    /** FLOPs of queries times keys and weights times values, for one token that attends to {@code length} tokens. */
    public static double scoreFlops(ModelConfig config, int length) {
        return 4.0 * config.heads() * config.headWidth() * length;
    }

    /** FLOPs of the output projection, for one token. */
    public static double outputFlops(ModelConfig config) {
        return 2.0 * config.heads() * config.headWidth() * config.width();
    }

    private static List<Parameter.Part> parts(String own, String kind, int queries, int keys) {
        return List.of(
                new Parameter.Part(own + "q_proj." + kind, queries),
                new Parameter.Part(own + "k_proj." + kind, keys),
                new Parameter.Part(own + "v_proj." + kind, keys));
    }

    public List<Parameter> parameters() {
        return Stream.of(
                        norm.parameters(),
                        qkv.parameters(),
                        queryNorm == null ? List.<Parameter>of() : queryNorm.parameters(),
                        keyNorm == null ? List.<Parameter>of() : keyNorm.parameters(),
                        out.parameters())
                .flatMap(List::stream)
                .toList();
    }

    /** The width of all query heads together. */
    int queryWidth() {
        return heads * headWidth;
    }

    /** The width of all key heads together. */
    int keyWidth() {
        return kvHeads * headWidth;
    }

    /** The columns of queries in the output of the projections. */
    Tensor queryColumns(Tensor qkv_TE) {
        return qkv_TE.narrow(1, 0, queryWidth());
    }

    /** The columns of keys in the output of the projections. */
    Tensor keyColumns(Tensor qkv_TE) {
        return qkv_TE.narrow(1, queryWidth(), keyWidth());
    }

    /** The columns of values in the output of the projections. */
    Tensor valueColumns(Tensor qkv_TE) {
        return qkv_TE.narrow(1, (long) queryWidth() + keyWidth(), keyWidth());
    }

    /** The rows that a norm of queries or keys treats: one per head or one per token. */
    Tensor normRows(Tensor columns_TE) {
        return perHead ? columns_TE.reshape(-1, headWidth) : columns_TE;
    }

    /**
     * Queries, keys and values of normalised tokens: {@code [tokens, heads, head width]} each, normalised and rotated.
     * libtorch can derive the backward pass.
     *
     * @param rotation null without rotary positions
     */
    public Tensor[] project(Tensor h_TD, @Nullable Rotation rotation) {
        Tensor qkv_TE = qkv.forward(h_TD);
        return new Tensor[] {
            prepare(queryColumns(qkv_TE), queryNorm, heads, rotation),
            prepare(keyColumns(qkv_TE), keyNorm, kvHeads, rotation),
            valueColumns(qkv_TE).view(-1, kvHeads, headWidth)
        };
    }

    private Tensor prepare(Tensor columns_TE, @Nullable Norm norm, int count, @Nullable Rotation rotation) {
        Tensor heads_TJC = (norm == null ? columns_TE : norm.forward(normRows(columns_TE))).view(-1, count, headWidth);
        return rotation == null ? heads_TJC : rotation.apply(heads_TJC);
    }
}
