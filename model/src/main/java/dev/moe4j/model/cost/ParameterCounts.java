package dev.moe4j.model.cost;

import dev.moe4j.model.parameter.Component;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.parallel.layout.Slice;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.EnumMap;
import java.util.Map;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Counts a model's parameters by component.
 *
 * @param embedding embedding tables: tokens, learned positions, and an untied output table
 * @param attention projections and their biases
 * @param norms layer norms
 * @param ffn dense feed-forward networks
 * @param router router weights (gates)
 * @param experts all experts; a token's chosen experts are active
 * @param shared shared experts
 */
public record ParameterCounts(
        Count embedding, Count attention, Count norms, Count ffn, Count router, Count experts, Count shared) {

    /**
     * The parameters of one component.
     *
     * @param active the parameters that one token uses
     */
    public record Count(long total, long active) {

        private static Count all(long parameters) {
            return new Count(parameters, parameters);
        }
    }

    /**
     * The parameters of an architecture.
     *
     * @throws ArithmeticException if a number exceeds a long
     */
    public static ParameterCounts of(Architecture architecture) {
        ModelConfig model = architecture.model();
        Map<Component, Long> counts = new EnumMap<>(Component.class);
        add(counts, ModelParameters.outsideLayers(model), 1);
        // All dense layers are equal, and so are all MoE layers.
        int moeLayers = model.moeLayers();
        addLayers(counts, model, false, model.layers() - moeLayers);
        addLayers(counts, model, true, moeLayers);
        // One expert was counted, because all are equal.
        long expert = counts.getOrDefault(Component.EXPERTS, 0L);
        long chosen = Math.min(architecture.routing().topK(), model.experts());
        return new ParameterCounts(
                Count.all(counts.getOrDefault(Component.EMBEDDING, 0L) + counts.getOrDefault(Component.HEAD, 0L)),
                all(counts, Component.ATTENTION),
                all(counts, Component.NORM),
                all(counts, Component.FEED_FORWARD),
                all(counts, Component.ROUTER),
                new Count(Math.multiplyExact(expert, (long) model.experts()), Math.multiplyExact(expert, chosen)),
                all(counts, Component.SHARED_EXPERTS));
    }

    private static void addLayers(Map<Component, Long> counts, ModelConfig model, boolean moe, long number) {
        if (number > 0) {
            int index = IntStream.range(0, model.layers())
                    .filter(layer -> model.isMoeLayer(layer) == moe)
                    .findFirst()
                    .orElseThrow();
            add(counts, ModelParameters.layer(model, index, new Slice(0, moe ? 1 : 0)), number);
        }
    }

    private static void add(Map<Component, Long> counts, Stream<ModelParameters.GroupSpec> groups, long times) {
        groups.flatMap(group -> group.components().stream()).forEach(owned -> {
            long elements =
                    owned.specs().stream().mapToLong(Parameter.Spec::elements).reduce(0, Math::addExact);
            counts.merge(owned.component(), Math.multiplyExact(elements, times), Math::addExact);
        });
    }

    /** All parameters. */
    public long total() {
        return sum(Count::total);
    }

    /** The parameters that one token uses: all except the experts it does not choose. */
    public long active() {
        return sum(Count::active);
    }

    private long sum(ToLongFunction<Count> number) {
        return Stream.of(embedding, attention, norms, ffn, router, experts, shared)
                .mapToLong(number)
                .reduce(0, Math::addExact);
    }

    private static Count all(Map<Component, Long> counts, Component component) {
        return Count.all(counts.getOrDefault(component, 0L));
    }
}
