package dev.moe4j.model;

import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.MissingNode;

/** The golden language models: their options as an {@link Architecture}, and their weights under moe4j's names. */
public final class PublishedModel {

    /** The published default of moe_eval_capacity_token_fraction. */
    static final double EVALUATION_CAPACITY = 0.25;

    private static final String LEARNED = "decoder.embed_positions.weight";
    private static final String OUTPUT = "decoder.output_projection.weight";

    /** The published flags that this class supports. */
    private static final Set<String> FLAGS = Set.of(
            "moe_freq",
            "decoder_moe_freq",
            "moe_expert_count",
            "moe_top1_expert",
            "moe_eval_capacity_token_fraction",
            "moe_normalize_gate_prob_before_dropping",
            "moe_batch_prioritized_routing",
            "moe_second_expert_policy",
            "use_moe_pad_mask",
            "batch_size",
            "batch_size_valid",
            "activation_fn",
            "decoder_layers",
            "decoder_attention_heads",
            "decoder_embed_dim",
            "decoder_ffn_embed_dim",
            "decoder_learned_pos",
            "share_decoder_input_output_embed",
            "dropout",
            "attention_dropout",
            "activation_dropout",
            "moe_gate_loss_wt",
            "moe_gate_loss_combine_method",
            "moe_gate_loss_transform");

    /** Flags without effect in one process at these precisions. */
    private static final Set<String> WITHOUT_EFFECT =
            Set.of("moe_normalize_expert_grad", "moe_gating_use_fp32", "tokens_per_sample", "max_target_positions");

    private PublishedModel() {}

    /** The architecture of a case of the family lm. */
    public static Architecture architecture(Golden.Case golden) {
        golden.json().path("model_args").properties().forEach(flag -> {
            // A flag that is off can be ignored.
            boolean off = flag.getValue().isBoolean() && !flag.getValue().asBoolean();
            if (!off && !FLAGS.contains(flag.getKey()) && !WITHOUT_EFFECT.contains(flag.getKey())) {
                throw new IllegalArgumentException(
                        "the golden case sets " + flag.getKey() + ", which no option is for");
            }
        });
        return new Architecture(model(golden), routing(golden), balance(golden));
    }

    /**
     * An option of a case: from its model's flags, else from the case, else from the family; a missing node if unset.
     */
    private static JsonNode option(Golden.Case golden, String... names) {
        for (JsonNode place : List.of(golden.json().path("model_args"), golden.json(), golden.familyJson())) {
            for (String name : names) {
                JsonNode value = place.path(name);
                if (!value.isMissingNode() && !value.isNull()) {
                    return value;
                }
            }
        }
        return MissingNode.getInstance();
    }

    private static ModelConfig model(Golden.Case golden) {
        Golden.Tensors weights = golden.weights();
        long[] embedding = weights.shape("decoder.embed_tokens.weight");
        int layers = 0;
        while (weights.has("decoder.layers." + layers + ".final_layer_norm.weight")) {
            layers++;
        }
        int every = 1;
        while (every <= layers && !weights.has(moe(every) + "gate.wg.weight")) {
            every++;
        }
        boolean mixture = every <= layers;
        int expertFfn = mixture ? (int) weights.shape(moe(every) + "experts.0.fc1.weight")[0] : 0;
        String dense = "decoder.layers.0.fc1.weight";
        boolean learned = option(golden, "decoder_learned_pos").asBoolean(weights.has(LEARNED));
        int length = (int) golden.tensors().shape("src_tokens")[1];
        return new ModelConfig(
                layers,
                (int) embedding[1],
                option(golden, "decoder_attention_heads", "heads").asInt(),
                weights.has(dense) ? (int) weights.shape(dense)[0] : expertFfn,
                (int) embedding[0],
                learned ? (int) weights.shape(LEARNED)[0] - SinusoidalPositions.FIRST_ROW : length,
                learned ? Positions.LEARNED : Positions.SINUSOIDAL,
                option(golden, "share_decoder_input_output_embed").asBoolean(!weights.has(OUTPUT)),
                activation(option(golden, "activation_fn", "activation").asString("gelu")),
                option(golden, "dropout").asDouble(0),
                option(golden, "attention_dropout").asDouble(0),
                option(golden, "activation_dropout").asDouble(0),
                option(golden, "pad").asInt(1),
                mixture ? (int) weights.shape(moe(every) + "gate.wg.weight")[0] : 0,
                mixture ? every : 1,
                expertFfn,
                0);
    }

    private static String moe(int every) {
        return "decoder.layers." + (every - 1) + ".moe_layer.";
    }

    private static Activation activation(String name) {
        return switch (name) {
            case "gelu", "gelu(erf)" -> Activation.GELU;
            case "relu" -> Activation.RELU;
            default -> throw new IllegalArgumentException("the golden case's activation " + name + " is unknown");
        };
    }

    private static RoutingConfig routing(Golden.Case golden) {
        boolean training = golden.json().path("train").asBoolean(true);
        JsonNode batch =
                training ? option(golden, "batch_size", "bs") : option(golden, "batch_size_valid", "batch_size", "bs");
        return new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                option(golden, "moe_top1_expert").asBoolean(false) ? 1 : 2,
                0,
                1,
                option(golden, "moe_eval_capacity_token_fraction").asDouble(EVALUATION_CAPACITY),
                option(golden, "moe_normalize_gate_prob_before_dropping").asBoolean(false),
                secondExpert(option(golden, "moe_second_expert_policy")),
                option(golden, "moe_batch_prioritized_routing").asBoolean(false),
                option(golden, "use_moe_pad_mask").asBoolean(false),
                batch.asInt(0),
                GateConfig.PUBLISHED);
    }

    /** The policy of a published name; the paper's policy by default. */
    static RoutingConfig.SecondExpert secondExpert(JsonNode name) {
        return RoutingConfig.SecondExpert.valueOf(name.asString("all").toUpperCase(Locale.ROOT));
    }

    private static BalanceConfig balance(Golden.Case golden) {
        return new BalanceConfig(
                option(golden, "moe_gate_loss_wt").asDouble(0),
                BalanceConfig.Scope.GROUP,
                switch (option(golden, "moe_gate_loss_combine_method", "combine")
                        .asString("average")) {
                    case "average" -> BalanceConfig.Combine.MEAN;
                    case "sum" -> BalanceConfig.Combine.SUM;
                    default -> throw new IllegalArgumentException("unknown way to combine balance losses");
                },
                0,
                BalanceConfig.Transform.valueOf(option(golden, "moe_gate_loss_transform", "transform")
                        .asString("none")
                        .toUpperCase(Locale.ROOT)));
    }

    /** A model with the golden weights. */
    public static LanguageModel load(
            Architecture architecture, Golden.Tensors weights, Precision precision, Device device) {
        LanguageModel model = LanguageModel.blank(architecture, precision, device);
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    Tensor part = parameter.part(parameter.master(), i);
                    part.copy(Tensor.of(weights.doubles(
                                    published(parameter.spec().partNames().get(i))))
                            .view(part.shape()));
                }
            }
        }
        model.parameters().refresh();
        return model;
    }

    /** The published name of a tensor. */
    public static String published(String name) {
        return name.replaceFirst("^lm_head\\.", "decoder.output_projection.")
                .replaceFirst("^model\\.", "decoder.")
                .replace(".moe.gate.", ".moe_layer.gate.wg.")
                .replace(".moe.experts.", ".moe_layer.experts.");
    }
}
