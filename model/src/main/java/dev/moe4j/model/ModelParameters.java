package dev.moe4j.model;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Lays out a model's parameters in units, under the names that checkpoints use. */
final class ModelParameters {

    static final String EMBEDDING = "model.embed_tokens.weight";

    private ModelParameters() {}

    static Parameters create(ModelConfig config, Precision precision, Device device) {
        Parameters parameters = new Parameters(precision, device);
        int width = config.width();
        parameters.add(
                "embedding",
                List.of(matrix(
                        EMBEDDING, config.vocabulary(), width, Initializations.embedding(width, config.padding()))));
        for (int layer = 0; layer < config.layers(); layer++) {
            String prefix = "model.layers." + layer + ".";
            parameters.add(prefix + "self_attn", attention(prefix, width));
            parameters.add(prefix + "final_layer_norm", norm(prefix + "final_layer_norm", width));
            if (config.isMoeLayer(layer)) {
                addMixture(parameters, prefix + "moe.", config);
            } else {
                parameters.add(prefix + "ffn", feedForward(prefix, width, config.ffn()));
            }
        }
        parameters.add("layer_norm", norm("model.layer_norm", width));
        return parameters;
    }

    private static void addMixture(Parameters parameters, String prefix, ModelConfig config) {
        int width = config.width();
        // The router computes in the master's type: its decisions are too fine for bfloat16.
        parameters.add(
                prefix + "gate",
                List.of(matrix(prefix + "gate.weight", config.experts(), width, Initializations.fanIn(width))),
                parameters.precision().computingInMaster());
        parameters.add(prefix + "experts", experts(prefix, config));
        if (config.sharedExperts() > 0) {
            parameters.add(
                    prefix + "shared",
                    feedForward(prefix + "shared.", width, config.sharedExperts() * config.expertFfn()));
        }
    }

    private static List<Parameter.Spec> attention(String prefix, int width) {
        List<Parameter.Spec> specs = new ArrayList<>(norm(prefix + "self_attn_layer_norm", width));
        String attention = prefix + "self_attn.";
        specs.add(new Parameter.Spec(
                attention + "qkv_proj.weight",
                List.of(3L * width, (long) width),
                projections(attention, "weight"),
                false,
                Initializations.xavier(width, 1 / Math.sqrt(2)),
                true));
        specs.add(new Parameter.Spec(
                attention + "qkv_proj.bias",
                List.of(3L * width),
                projections(attention, "bias"),
                false,
                Initializations.fanIn(width),
                false));
        specs.add(matrix(attention + "out_proj.weight", width, width, Initializations.xavier(width, 1)));
        specs.add(vector(attention + "out_proj.bias", width, Initializations.ZERO));
        return specs;
    }

    private static List<String> projections(String attention, String kind) {
        return List.of(attention + "q_proj." + kind, attention + "k_proj." + kind, attention + "v_proj." + kind);
    }

    private static List<Parameter.Spec> norm(String name, int width) {
        return List.of(
                vector(name + ".weight", width, Initializations.ONE),
                vector(name + ".bias", width, Initializations.ZERO));
    }

    private static List<Parameter.Spec> feedForward(String prefix, int width, int ffn) {
        return List.of(
                matrix(prefix + "fc1.weight", ffn, width, Initializations.fanIn(width)),
                vector(prefix + "fc1.bias", ffn, Initializations.fanIn(width)),
                matrix(prefix + "fc2.weight", width, ffn, Initializations.fanIn(ffn)),
                vector(prefix + "fc2.bias", width, Initializations.fanIn(ffn)));
    }

    private static List<Parameter.Spec> experts(String prefix, ModelConfig config) {
        long count = config.experts();
        long width = config.width();
        long ffn = config.expertFfn();
        return List.of(
                stacked(prefix, "fc1.weight", List.of(count, ffn, width), config.width(), true),
                stacked(prefix, "fc1.bias", List.of(count, ffn), config.width(), false),
                stacked(prefix, "fc2.weight", List.of(count, width, ffn), config.expertFfn(), true),
                stacked(prefix, "fc2.bias", List.of(count, width), config.expertFfn(), false));
    }

    private static Parameter.Spec stacked(String prefix, String kind, List<Long> shape, int fanIn, boolean decayed) {
        List<String> parts = IntStream.range(0, Math.toIntExact(shape.getFirst()))
                .mapToObj(expert -> prefix + "experts." + expert + "." + kind)
                .toList();
        return new Parameter.Spec(
                prefix + "experts." + kind, shape, parts, true, Initializations.fanIn(fanIn), decayed);
    }

    private static Parameter.Spec matrix(String name, int rows, int columns, Parameter.Initialization initialization) {
        return new Parameter.Spec(
                name, List.of((long) rows, (long) columns), List.of(name), false, initialization, true);
    }

    private static Parameter.Spec vector(String name, int size, Parameter.Initialization initialization) {
        return new Parameter.Spec(name, List.of((long) size), List.of(name), false, initialization, false);
    }
}
