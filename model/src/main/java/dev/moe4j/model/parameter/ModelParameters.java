package dev.moe4j.model.parameter;

import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Slice;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** Lays out a model's parameters in units, under the names that checkpoints use. */
public final class ModelParameters {

    public static final String EMBEDDING = "model.embed_tokens.weight";
    public static final String POSITIONS = "model.embed_positions.weight";

    /** The output's own table, where it is not tied to the embedding. */
    public static final String HEAD = "lm_head.weight";

    private ModelParameters() {}

    /**
     * A unit before it has memory.
     *
     * @param inMaster whether it computes in the master's type
     */
    public record UnitSpec(String name, List<Parameter.Spec> specs, boolean inMaster) {

        /** Whether it holds experts, of which a process may have some only. */
        boolean ofExperts() {
            return specs.getFirst().stacked();
        }
    }

    /**
     * What this process holds of the model.
     *
     * @param scope owns the memory
     * @param dense among the ranks that hold what all tokens use
     * @param experts among those that hold the same experts
     */
    public static Parameters create(
            ModelConfig config,
            Precision precision,
            Device device,
            Layout layout,
            Scope scope,
            ParameterExchange dense,
            ParameterExchange experts) {
        Parameters parameters = new Parameters(precision, device, scope);
        Slice held = config.experts() == 0 ? new Slice(0, 0) : layout.experts(config.experts());
        units(config, held).forEach(unit -> {
            ParameterExchange exchange = unit.ofExperts() ? experts : dense;
            exchange.add(parameters.add(
                    unit.name(),
                    unit.specs(),
                    unit.inMaster() ? precision.computingInMaster() : precision,
                    exchange.share(layout.sharding()),
                    exchange));
        });
        return parameters;
    }

    /** The units in order; a layer's are made when they are reached, so that a hostile number of layers costs nothing. */
    public static Stream<UnitSpec> units(ModelConfig config) {
        return units(config, new Slice(0, config.experts()));
    }

    /** The units of a process that holds these experts. */
    public static Stream<UnitSpec> units(ModelConfig config, Slice held) {
        int width = config.width();
        return Stream.of(
                        Stream.of(unit("embedding", embedding(config))),
                        IntStream.range(0, config.layers()).boxed().flatMap(layer -> layer(layer, config, held)),
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

    private static Stream<UnitSpec> layer(int layer, ModelConfig config, Slice held) {
        int width = config.width();
        String prefix = "model.layers." + layer + ".";
        Stream<UnitSpec> attention = Stream.of(
                unit(prefix + "self_attn", attention(prefix, width)),
                unit(prefix + "final_layer_norm", norm(prefix + "final_layer_norm", width)));
        return Stream.concat(
                attention,
                config.isMoeLayer(layer)
                        ? mixture(prefix + "moe.", config, held)
                        : Stream.of(unit(prefix + "ffn", feedForward(prefix, width, config.ffn()))));
    }

    private static Stream<UnitSpec> mixture(String prefix, ModelConfig config, Slice held) {
        int width = config.width();
        // The router computes in the master's type: its decisions are too fine for bfloat16.
        UnitSpec gate = new UnitSpec(
                prefix + "gate",
                List.of(matrix(prefix + "gate.weight", config.experts(), width, Initializations.fanIn(width))),
                true);
        UnitSpec experts = unit(prefix + "experts", experts(prefix, config, held));
        if (config.sharedExperts() == 0) {
            return Stream.of(gate, experts);
        }
        int ffn = config.sharedExperts() * config.expertFfn();
        return Stream.of(gate, experts, unit(prefix + "shared", feedForward(prefix + "shared.", width, ffn)));
    }

    /** The name of another expert's part, from that of any one's. */
    public static String ofExpert(String part, int expert) {
        return part.replaceFirst("\\.experts\\.\\d+\\.", ".experts." + expert + ".");
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

    private static List<Parameter.Spec> experts(String prefix, ModelConfig config, Slice held) {
        long count = held.length();
        long width = config.width();
        long ffn = config.expertFfn();
        return List.of(
                stacked(prefix, "fc1.weight", held, List.of(count, ffn, width), config.width(), true),
                stacked(prefix, "fc1.bias", held, List.of(count, ffn), config.width(), false),
                stacked(prefix, "fc2.weight", held, List.of(count, width, ffn), config.expertFfn(), true),
                stacked(prefix, "fc2.bias", held, List.of(count, width), config.expertFfn(), false));
    }

    private static Parameter.Spec stacked(
            String prefix, String kind, Slice held, List<Long> shape, int fanIn, boolean decayed) {
        List<String> parts = LongStream.range(held.start(), held.end())
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
