package dev.moe4j.model;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Locale;
import java.util.Set;
import tools.jackson.databind.JsonNode;

/** The golden language models: their options as an {@link Architecture}, their weights under our names. */
public final class PublishedModel {

    /** The published flags that a case may set and this class understands. */
    private static final Set<String> FLAGS = Set.of(
            "moe_freq",
            "moe_expert_count",
            "moe_top1_expert",
            "moe_eval_capacity_token_fraction",
            "moe_normalize_gate_prob_before_dropping",
            "moe_normalize_expert_grad",
            "moe_batch_prioritized_routing",
            "moe_second_expert_policy",
            "moe_gating_use_fp32",
            "use_moe_pad_mask",
            "activation_fn");

    private PublishedModel() {}

    /** The architecture of a case of the family lm. */
    public static Architecture architecture(Golden.Case golden) {
        JsonNode model = golden.familyJson();
        JsonNode flags = golden.json().path("model_args");
        flags.properties().forEach(flag -> {
            if (!FLAGS.contains(flag.getKey())) {
                throw new IllegalArgumentException(
                        "the golden case sets " + flag.getKey() + ", which no option is for");
            }
        });
        Golden.Tensors weights = golden.weights();
        int every = flags.path("moe_freq").asInt(0);
        int experts = every == 0 ? 0 : flags.path("moe_expert_count").asInt();
        int expertFfn = experts == 0
                ? 0
                : (int) weights.shape("decoder.layers." + (every - 1) + ".moe_layer.experts.0.fc1.weight")[0];
        String activation =
                flags.path("activation_fn").asString(model.path("activation").asString());
        ModelConfig config = new ModelConfig(
                model.path("layers").asInt(),
                model.path("d").asInt(),
                model.path("heads").asInt(),
                model.path("ffn").asInt(),
                model.path("vocab").asInt(),
                model.path("T").asInt(),
                activation.startsWith("gelu") ? Activation.GELU : Activation.RELU,
                0,
                0,
                model.path("pad").asInt(),
                experts,
                Math.max(1, every),
                expertFfn,
                0);
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                flags.path("moe_top1_expert").asBoolean(false) ? 1 : 2,
                0,
                1,
                flags.path("moe_eval_capacity_token_fraction").asDouble(0.25),
                flags.path("moe_normalize_gate_prob_before_dropping").asBoolean(false),
                RoutingConfig.SecondExpert.valueOf(
                        flags.path("moe_second_expert_policy").asString("all").toUpperCase(Locale.ROOT)),
                flags.path("moe_batch_prioritized_routing").asBoolean(false),
                flags.path("use_moe_pad_mask").asBoolean(false));
        BalanceConfig balance = new BalanceConfig(
                golden.json().path("moe_gate_loss_wt").asDouble(0),
                BalanceConfig.Scope.GROUP,
                golden.json().path("combine").asString("average").equals("sum")
                        ? BalanceConfig.Combine.SUM
                        : BalanceConfig.Combine.MEAN,
                0);
        return new Architecture(config, routing, balance);
    }

    /** A model with the golden weights. */
    public static LanguageModel load(Architecture architecture, Golden.Tensors weights, Precision precision) {
        LanguageModel model = LanguageModel.blank(architecture, precision, Device.CPU);
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    Tensor part = parameter.part(parameter.master(), i);
                    part.copy(Tensor.of(weights.doubles(
                                    published(parameter.spec().parts().get(i))))
                            .view(part.shape()));
                }
            }
        }
        model.parameters().refresh();
        return model;
    }

    /** The published name of one of our tensors. */
    public static String published(String name) {
        return name.replaceFirst("^model\\.", "decoder.")
                .replace(".moe.gate.", ".moe_layer.gate.wg.")
                .replace(".moe.experts.", ".moe_layer.experts.");
    }
}
