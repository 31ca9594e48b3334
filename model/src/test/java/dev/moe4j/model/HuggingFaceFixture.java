package dev.moe4j.model;

import dev.moe4j.formats.safetensors.SafetensorsFile;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.FeedForwardConfig;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.MultiplierConfig;
import dev.moe4j.model.spec.NormConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.model.spec.RopeConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.model.spec.SharedExpertConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Buffer;
import dev.moe4j.tensor.parameter.ParameterGroup;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A small checkpoint of a public model family with the logits that an independent engine computed for it. Translates the
 * family's configuration and names of tensors.
 */
final class HuggingFaceFixture implements AutoCloseable {

    private final Path folder;
    private final JsonNode config;
    private final SafetensorsFile weights;

    HuggingFaceFixture(String family) {
        try {
            folder = Path.of(Objects.requireNonNull(HuggingFaceFixture.class.getResource("/huggingface/" + family))
                    .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
        config = json("config.json");
        weights = SafetensorsFile.open(folder.resolve("model.safetensors"));
    }

    private JsonNode json(String file) {
        try {
            return JsonMapper.shared().readTree(Files.readAllBytes(folder.resolve(file)));
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    long[] ids() {
        return json("expected.json")
                .path("ids")
                .valueStream()
                .mapToLong(JsonNode::asLong)
                .toArray();
    }

    /** The recorded logits {@code [positions, vocabulary]}, of the most precise engine. */
    double[] logits() {
        try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("recorded-logits.safetensors"));
                Scope _ = Scope.open()) {
            String name = file.names().contains("numpy_f64")
                    ? "numpy_f64"
                    : file.names().iterator().next();
            return tensor(file.entry(name)).toDoubles();
        }
    }

    Architecture architecture() {
        String type = config.path("model_type").asString();
        int layers = integer("num_hidden_layers");
        int heads = integer("num_attention_heads");
        int experts = first(0, "num_experts", "num_local_experts", "n_routed_experts");
        boolean wide = type.equals("olmoe") || type.equals("mixtral") || type.equals("granitemoe");
        int expertFfn = experts == 0 ? 0 : integer(wide ? "intermediate_size" : "moe_intermediate_size");
        boolean qkNormed = type.equals("qwen3") || type.equals("qwen3_moe") || type.equals("glm4_moe");
        ModelConfig model = Presets.architecture("cpu-dense").model().toBuilder()
                .layers(layers)
                .width(integer("hidden_size"))
                .heads(heads)
                .ffn(integer("intermediate_size"))
                .vocabulary(integer("vocab_size"))
                .context(integer("max_position_embeddings"))
                .positions(Positions.ROPE)
                .tied(config.path("tie_word_embeddings").asBoolean(false))
                .activation(Activation.SILU)
                .experts(experts)
                .expertEvery(1)
                .expertFfn(expertFfn)
                .sharedExperts(config.has("shared_expert_intermediate_size") ? 1 : first(0, "n_shared_experts"))
                .denseLayers(IntStream.range(0, first(0, "first_k_dense_replace"))
                        .boxed()
                        .toList())
                .norm(new NormConfig(NormConfig.Kind.RMS, number(1e-5, "/rms_norm_eps")))
                .rope(new RopeConfig(
                        number(number(10_000, "/rope_theta"), "/rope_parameters/rope_theta"),
                        number(1, "/rope_parameters/partial_rotary_factor")))
                .attention(new AttentionConfig(
                        integer("num_key_value_heads"),
                        first(0, "head_dim"),
                        type.equals("qwen2_moe") ? AttentionConfig.Bias.QKV : AttentionConfig.Bias.NONE,
                        qkNormed
                                ? AttentionConfig.QkNorm.HEAD
                                : type.equals("olmoe") ? AttentionConfig.QkNorm.WIDTH : AttentionConfig.QkNorm.NONE,
                        number(0, "/attention_multiplier")))
                .feedForward(new FeedForwardConfig(true, false))
                .shared(new SharedExpertConfig(first(0, "shared_expert_intermediate_size"), type.equals("qwen2_moe")))
                .multipliers(new MultiplierConfig(
                        number(1, "/embedding_multiplier"),
                        number(1, "/residual_multiplier"),
                        1 / number(1, "/logits_scaling")))
                .build();
        boolean sigmoid = type.equals("glm4_moe");
        boolean renormalized = type.equals("mixtral")
                || type.equals("granitemoe")
                || config.path("norm_topk_prob").asBoolean(false);
        RoutingConfig routing = new RoutingConfig(
                        RoutingConfig.Strategy.DROPLESS,
                        first(2, "num_experts_per_tok"),
                        1,
                        1,
                        -1,
                        false,
                        RoutingConfig.SecondExpert.ALL,
                        false,
                        true)
                .withGate(new GateConfig(
                        sigmoid ? GateConfig.Scores.SIGMOID : GateConfig.Scores.SOFTMAX,
                        sigmoid,
                        renormalized,
                        number(1, "/routed_scaling_factor")));
        return new Architecture(model, routing, BalanceConfig.DEFAULT);
    }

    private int integer(String key) {
        return config.path(key).intValue();
    }

    /** The value of the first key that the configuration has. */
    private int first(int otherwise, String... keys) {
        return Stream.of(keys)
                .filter(config::has)
                .mapToInt(this::integer)
                .findFirst()
                .orElse(otherwise);
    }

    private double number(double otherwise, String pointer) {
        JsonNode value = config.at(pointer);
        return value.isNumber() ? value.doubleValue() : otherwise;
    }

    /** The model with the checkpoint's weights. */
    LanguageModel model(Precision precision) {
        LanguageModel model = LanguageModel.blank(architecture(), precision, Device.CPU);
        model.parameters().write(ParameterGroup::master, (parameter, part, target) -> {
            List<String> names = foreign(parameter.spec().parts().get(part).name());
            Tensor[] pieces = names.stream().map(this::tensor).toArray(Tensor[]::new);
            target.copy(pieces.length == 1 ? pieces[0] : Tensor.concat(0, pieces));
        });
        model.parameters().refresh();
        try (Scope _ = Scope.open()) {
            for (Buffer buffer : model.parameters().buffers()) {
                buffer.tensor()
                        .copy(tensor(
                                buffer.name().replace("moe.gate.selection_bias", "mlp.gate.e_score_correction_bias")));
            }
        }
        return model;
    }

    /** The names of the tensors that make up a part, in order of rows. */
    private List<String> foreign(String name) {
        boolean sparse = weights.names().stream().anyMatch(other -> other.contains("block_sparse_moe"));
        String moe = sparse ? "block_sparse_moe." : "mlp.";
        boolean mixtral = weights.names().stream().anyMatch(other -> other.endsWith("experts.0.w1.weight"));
        boolean shared = name.contains(".moe.shared.");
        String translated = name.replace("model.layer_norm.", "model.norm.")
                .replace("self_attn_layer_norm.", "input_layernorm.")
                .replace("final_layer_norm.", "post_attention_layernorm.")
                .replace("self_attn.out_proj.", "self_attn.o_proj.")
                .replace("moe.shared.gate.", "mlp.shared_expert_gate.")
                .replace(
                        "moe.shared.",
                        weights.names().stream().anyMatch(other -> other.contains(".shared_expert."))
                                ? "mlp.shared_expert."
                                : "mlp.shared_experts.")
                .replace("moe.gate.weight", sparse && !mixtral ? moe + "router.layer.weight" : moe + "gate.weight")
                .replace("moe.experts.", moe + "experts.");
        if (!shared && !name.contains(".moe.")) {
            translated = translated.replace(".fc1.", ".mlp.fc1.").replace(".fc2.", ".mlp.fc2.");
        }
        if (translated.contains(".fc1.")) {
            return mixtral
                    ? List.of(translated.replace(".fc1.", ".w1."), translated.replace(".fc1.", ".w3."))
                    : List.of(translated.replace(".fc1.", ".gate_proj."), translated.replace(".fc1.", ".up_proj."));
        }
        return List.of(translated.replace(".fc2.", mixtral ? ".w2." : ".down_proj."));
    }

    private Tensor tensor(String name) {
        if (weights.names().contains(name)) {
            return tensor(weights.entry(name));
        }
        // Granite stacks the experts, with gate and value in one tensor.
        String[] parts = name.split("\\.experts\\.", 2);
        int expert = Integer.parseInt(parts[1].substring(0, parts[1].indexOf('.')));
        boolean down = name.endsWith("down_proj.weight");
        Tensor stacked = tensor(weights.entry(parts[0] + (down ? ".output_linear.weight" : ".input_linear.weight")))
                .select(0, expert);
        if (down) {
            return stacked;
        }
        long half = stacked.size(0) / 2;
        return stacked.narrow(0, name.endsWith("gate_proj.weight") ? 0 : half, half);
    }

    private static Tensor tensor(SafetensorsFile.Entry entry) {
        DType type = entry.type() == SafetensorsFile.Type.BF16 ? DType.BFLOAT16 : DType.FLOAT32;
        return Tensor.copyOf(entry.data(), type, Device.CPU, entry.shape());
    }

    @Override
    public void close() {
        weights.close();
    }
}
