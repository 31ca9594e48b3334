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

/** Lays out a model's parameters in groups, with the names that checkpoints use. */
public final class ModelParameters {

    public static final String EMBEDDING = "model.embed_tokens.weight";
    public static final String POSITIONS = "model.embed_positions.weight";

    /** The output table, if it is not tied to the embedding. */
    public static final String HEAD = "lm_head.weight";

    private ModelParameters() {}

    /**
     * Describes a parameter group before its memory is allocated.
     *
     * @param inMaster whether the group computes in the master weights' type
     */
    public record GroupSpec(String name, List<Parameter.Spec> specs, boolean inMaster) {

        /** Whether the group holds experts, which expert parallelism partitions. */
        boolean ofExperts() {
            return specs.getFirst().stacked();
        }
    }

    /**
     * Allocates this process's part of the model's parameters.
     *
     * @param scope owns the memory
     * @param dense the exchange among the ranks that hold the dense parameters
     * @param experts the exchange among the ranks that hold the same experts
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
        groups(config, held).forEach(group -> {
            ParameterExchange exchange = group.ofExperts() ? experts : dense;
            exchange.add(parameters.add(
                    group.name(),
                    group.specs(),
                    group.inMaster() ? precision.computingInMaster() : precision,
                    exchange.share(layout.sharding()),
                    exchange));
        });
        return parameters;
    }

    /**
     * The groups in order, with all experts. A layer's groups are created lazily, so a hostile number of layers in a
     * file costs nothing.
     */
    public static Stream<GroupSpec> groups(ModelConfig config) {
        return groups(config, new Slice(0, config.experts()));
    }

    /** The groups of a process that holds the given experts. */
    public static Stream<GroupSpec> groups(ModelConfig config, Slice held) {
        int width = config.width();
        return Stream.of(
                        Stream.of(group("embedding", embedding(config))),
                        IntStream.range(0, config.layers()).boxed().flatMap(layer -> layer(layer, config, held)),
                        Stream.of(group("layer_norm", norm("model.layer_norm", width))),
                        config.tied() ? Stream.<GroupSpec>empty() : Stream.of(group("lm_head", List.of(head(config)))))
                .flatMap(groups -> groups);
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

    private static Stream<GroupSpec> layer(int layer, ModelConfig config, Slice held) {
        int width = config.width();
        String prefix = "model.layers." + layer + ".";
        Stream<GroupSpec> attention = Stream.of(
                group(prefix + "self_attn", attention(prefix, width)),
                group(prefix + "final_layer_norm", norm(prefix + "final_layer_norm", width)));
        return Stream.concat(
                attention,
                config.isMoeLayer(layer)
                        ? mixture(prefix + "moe.", config, held)
                        : Stream.of(group(prefix + "ffn", feedForward(prefix, width, config.ffn()))));
    }

    private static Stream<GroupSpec> mixture(String prefix, ModelConfig config, Slice held) {
        int width = config.width();
        // The router computes in the master weights' type, because bfloat16 is too coarse for its choices.
        GroupSpec gate = new GroupSpec(
                prefix + "gate",
                List.of(matrix(prefix + "gate.weight", config.experts(), width, Initializations.fanIn(width))),
                true);
        GroupSpec experts = group(prefix + "experts", experts(prefix, config, held));
        if (config.sharedExperts() == 0) {
            return Stream.of(gate, experts);
        }
        int ffn = config.sharedExperts() * config.expertFfn();
        return Stream.of(gate, experts, group(prefix + "shared", feedForward(prefix + "shared.", width, ffn)));
    }

    /**
     * The name of the same parameter of another expert.
     *
     * @param part the parameter's name for any expert
     */
    public static String ofExpert(String part, int expert) {
        return part.replaceFirst("\\.experts\\.\\d+\\.", ".experts." + expert + ".");
    }

    private static GroupSpec group(String name, List<Parameter.Spec> specs) {
        return new GroupSpec(name, specs, false);
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
