package dev.moe4j.model.parameter;

import dev.moe4j.model.block.Attention;
import dev.moe4j.model.block.FeedForward;
import dev.moe4j.model.block.Initializations;
import dev.moe4j.model.block.Norm;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.spec.Architecture;
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

    /** The prefix of the last norm's parameters. */
    public static final String FINAL_NORM = "model.layer_norm";

    /** The buffer of a MoE layer that is added to scores when experts are chosen, after the layer's prefix. */
    public static final String SELECTION_BIAS = "gate.selection_bias";

    private ModelParameters() {}

    /** The parameters of a component in a group. */
    public record Owned(Component component, List<Parameter.Spec> specs) {}

    /**
     * Describes a parameter group before its memory is allocated.
     *
     * @param inMaster whether the group computes in the master weights' type
     */
    public record GroupSpec(String name, List<Owned> components, boolean inMaster) {

        /** All parameters of the group, in order. */
        public List<Parameter.Spec> specs() {
            return components.stream().flatMap(owned -> owned.specs().stream()).toList();
        }

        /** Whether the group holds experts, which expert parallelism partitions. */
        boolean ofExperts() {
            return specs().getFirst().stacked();
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
            Architecture architecture,
            Precision precision,
            Device device,
            Layout layout,
            Scope scope,
            ParameterExchange dense,
            ParameterExchange experts) {
        Parameters parameters = new Parameters(precision, device, scope);
        ModelConfig config = architecture.model();
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
        buffers(architecture)
                .forEach(buffer -> parameters.addBuffer(
                        buffer.name(), precision.computingInMaster().compute(), buffer.shape()));
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
        return Stream.of(
                        embeddingGroup(config),
                        IntStream.range(0, config.layers()).boxed().flatMap(layer -> layer(config, layer, held)),
                        headGroups(config))
                .flatMap(groups -> groups);
    }

    /** The groups that belong to no layer. */
    public static Stream<GroupSpec> outsideLayers(ModelConfig config) {
        return Stream.concat(embeddingGroup(config), headGroups(config));
    }

    private static Stream<GroupSpec> embeddingGroup(ModelConfig config) {
        return Stream.of(group("embedding", Component.EMBEDDING, embedding(config)));
    }

    private static Stream<GroupSpec> headGroups(ModelConfig config) {
        GroupSpec norm = group("layer_norm", norm(config, FINAL_NORM));
        return config.tied()
                ? Stream.of(norm)
                : Stream.of(norm, group("lm_head", Component.HEAD, List.of(head(config))));
    }

    /**
     * The specification of a buffer.
     *
     * @param shape its dimensions
     */
    public record BufferSpec(String name, long... shape) {}

    /** The buffers in order. All have the type in which routers compute. */
    public static Stream<BufferSpec> buffers(Architecture architecture) {
        ModelConfig config = architecture.model();
        if (!architecture.routing().gate().selectionBias()) {
            return Stream.empty();
        }
        return IntStream.range(0, config.layers())
                .filter(config::isMoeLayer)
                .mapToObj(layer -> new BufferSpec(layerPrefix(layer) + "moe." + SELECTION_BIAS, config.experts()));
    }

    private static List<Parameter.Spec> embedding(ModelConfig config) {
        int width = config.width();
        Parameter.Spec tokens =
                matrix(EMBEDDING, config.vocabulary(), width, Initializations.embedding(width, config.padding()));
        return switch (config.positions()) {
            case SINUSOIDAL, ROPE -> List.of(tokens);
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

    /** The start of the names of a layer's parameters. */
    public static String layerPrefix(int layer) {
        return "model.layers." + layer + ".";
    }

    /** The groups of the layer with the given index, in a process that holds the given experts. */
    public static Stream<GroupSpec> layer(ModelConfig config, int layer, Slice held) {
        String prefix = layerPrefix(layer);
        GroupSpec attention = new GroupSpec(
                prefix + "self_attn",
                List.of(
                        norm(config, Attention.normName(prefix)),
                        new Owned(Component.ATTENTION, Attention.specs(config, prefix))),
                false);
        GroupSpec norm = group(prefix + "final_layer_norm", norm(config, prefix + "final_layer_norm"));
        return Stream.concat(
                Stream.of(attention, norm),
                config.isMoeLayer(layer)
                        ? mixture(prefix + "moe.", config, held)
                        : Stream.of(group(
                                prefix + "ffn",
                                Component.FEED_FORWARD,
                                FeedForward.specs(config, prefix, config.ffn(), false))));
    }

    private static Owned norm(ModelConfig config, String name) {
        return new Owned(Component.NORM, Norm.specs(config.norm(), name, config.width()));
    }

    private static Stream<GroupSpec> mixture(String prefix, ModelConfig config, Slice held) {
        int width = config.width();
        // The router computes in the master weights' type, because bfloat16 is too coarse for its choices.
        Parameter.Spec router = matrix(prefix + "gate.weight", config.experts(), width, Initializations.fanIn(width));
        GroupSpec gate = new GroupSpec(prefix + "gate", List.of(new Owned(Component.ROUTER, List.of(router))), true);
        GroupSpec experts = group(prefix + "experts", Component.EXPERTS, experts(prefix, config, held));
        if (config.sharedExperts() == 0) {
            return Stream.of(gate, experts);
        }
        List<Parameter.Spec> shared = FeedForward.specs(
                config, prefix + "shared.", config.sharedFfn(), config.shared().gated());
        return Stream.of(gate, experts, group(prefix + "shared", Component.SHARED_EXPERTS, shared));
    }

    /**
     * The name of the same parameter of another expert.
     *
     * @param part the parameter's name for any expert
     */
    public static String ofExpert(String part, int expert) {
        return part.replaceFirst("\\.experts\\.\\d+\\.", ".experts." + expert + ".");
    }

    private static GroupSpec group(String name, Component component, List<Parameter.Spec> specs) {
        return group(name, new Owned(component, specs));
    }

    private static GroupSpec group(String name, Owned owned) {
        return new GroupSpec(name, List.of(owned), false);
    }

    private static List<Parameter.Spec> experts(String prefix, ModelConfig config, Slice held) {
        long count = held.length();
        long width = config.width();
        long ffn = config.expertFfn();
        long inner = config.feedForward().gated() ? 2 * ffn : ffn;
        List<Parameter.Spec> specs = new ArrayList<>();
        specs.add(stacked(prefix, "fc1.weight", held, List.of(count, inner, width), config.width(), true));
        if (config.feedForward().bias()) {
            specs.add(stacked(prefix, "fc1.bias", held, List.of(count, inner), config.width(), false));
        }
        specs.add(stacked(prefix, "fc2.weight", held, List.of(count, width, ffn), config.expertFfn(), true));
        if (config.feedForward().bias()) {
            specs.add(stacked(prefix, "fc2.bias", held, List.of(count, width), config.expertFfn(), false));
        }
        return specs;
    }

    private static Parameter.Spec stacked(
            String prefix, String kind, Slice held, List<Long> shape, int fanIn, boolean decayed) {
        List<String> parts = LongStream.range(held.start(), held.end())
                .mapToObj(expert -> prefix + "experts." + expert + "." + kind)
                .toList();
        return Parameter.Spec.ofEqualParts(
                prefix + "experts." + kind, shape, parts, true, Initializations.fanIn(fanIn), decayed);
    }

    private static Parameter.Spec matrix(String name, int rows, int columns, Parameter.Initialization initialization) {
        return Parameter.Spec.of(name, List.of((long) rows, (long) columns), initialization, true);
    }
}
