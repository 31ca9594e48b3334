package dev.moe4j.model;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Lays out a model's parameters in units, under the names that checkpoints use. */
final class ModelParameters {

    static final String EMBEDDING = "model.embed_tokens.weight";
    static final String POSITIONS = "model.embed_positions.weight";

    /** The output's own table, where it is not tied to the embedding. */
    static final String HEAD = "lm_head.weight";

    private ModelParameters() {}

    /**
     * A unit before it has memory.
     *
     * @param inMaster whether it computes in the master's type
     */
    record UnitSpec(String name, List<Parameter.Spec> specs, boolean inMaster) {}

    static Parameters create(ModelConfig config, Precision precision, Device device) {
        Parameters parameters = new Parameters(precision, device);
        units(config)
                .forEach(unit -> parameters.add(
                        unit.name(), unit.specs(), unit.inMaster() ? precision.computingInMaster() : precision));
        return parameters;
    }

    /** The units in order; a layer's are made when they are reached, so that a hostile number of layers costs nothing. */
    static Stream<UnitSpec> units(ModelConfig config) {
        int width = config.width();
        return Stream.of(
                        Stream.of(unit("embedding", embedding(config))),
                        IntStream.range(0, config.layers()).boxed().flatMap(layer -> layer(layer, config)),
                        Stream.of(unit("layer_norm", norm("model.layer_norm", width))),
                        config.tied() ? Stream.<UnitSpec>empty() : Stream.of(unit("lm_head", List.of(head(config)))))
                .flatMap(units -> units);
    }

    private static List<Parameter.Spec> embedding(ModelConfig config) {
        int width = config.width();
        Parameter.Spec tokens =
                matrix(EMBEDDING, config.vocabulary(), width, Initializations.embedding(width, config.padding()));
        return switch (config.positions()) {
            case SINUSOIDAL -> List.of(tokens);
            case LEARNED ->
                List.of(
                        tokens,
                        matrix(
                                POSITIONS,
                                SinusoidalPositions.rows(config.context()),
                                width,
                                Initializations.embedding(width, SinusoidalPositions.PADDING_ROW)));
        };
    }

    private static Parameter.Spec head(ModelConfig config) {
        return matrix(HEAD, config.vocabulary(), config.width(), Initializations.embedding(config.width(), -1));
    }

    private static Stream<UnitSpec> layer(int layer, ModelConfig config) {
        int width = config.width();
        String prefix = "model.layers." + layer + ".";
        Stream<UnitSpec> attention = Stream.of(
                unit(prefix + "self_attn", attention(prefix, width)),
                unit(prefix + "final_layer_norm", norm(prefix + "final_layer_norm", width)));
        return Stream.concat(
                attention,
                config.isMoeLayer(layer)
                        ? mixture(prefix + "moe.", config)
                        : Stream.of(unit(prefix + "ffn", feedForward(prefix, width, config.ffn()))));
    }

    private static Stream<UnitSpec> mixture(String prefix, ModelConfig config) {
        int width = config.width();
        // The router computes in the master's type: its decisions are too fine for bfloat16.
        UnitSpec gate = new UnitSpec(
                prefix + "gate",
                List.of(matrix(prefix + "gate.weight", config.experts(), width, Initializations.fanIn(width))),
                true);
        UnitSpec experts = unit(prefix + "experts", experts(prefix, config));
        if (config.sharedExperts() == 0) {
            return Stream.of(gate, experts);
        }
        int ffn = config.sharedExperts() * config.expertFfn();
        return Stream.of(gate, experts, unit(prefix + "shared", feedForward(prefix + "shared.", width, ffn)));
    }

    private static UnitSpec unit(String name, List<Parameter.Spec> specs) {
        return new UnitSpec(name, specs, false);
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
