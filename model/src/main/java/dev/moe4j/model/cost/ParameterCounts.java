package dev.moe4j.model.cost;

import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.EnumMap;
import java.util.Map;

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

    private enum Component {
        EMBEDDING,
        ATTENTION,
        NORMS,
        FFN,
        ROUTER,
        EXPERTS,
        SHARED;

        static Component of(Parameter.Spec spec) {
            String name = spec.name();
            if (name.contains("layer_norm")) {
                return NORMS;
            }
            if (name.contains(".self_attn.")) {
                return ATTENTION;
            }
            if (name.contains(".moe.gate.")) {
                return ROUTER;
            }
            if (name.contains(".moe.shared.")) {
                return SHARED;
            }
            if (name.contains(".moe.experts.")) {
                return EXPERTS;
            }
            return name.contains(".fc1.") || name.contains(".fc2.") ? FFN : EMBEDDING;
        }
    }

    /** The parameters of an architecture. */
    public static ParameterCounts of(Architecture architecture) {
        ModelConfig model = architecture.model();
        Map<Component, Long> counts = new EnumMap<>(Component.class);
        ModelParameters.groups(model)
                .flatMap(unit -> unit.specs().stream())
                .forEach(spec -> counts.merge(Component.of(spec), spec.elements(), Math::addExact));
        long experts = counts.getOrDefault(Component.EXPERTS, 0L);
        long active = model.experts() == 0
                ? 0
                : experts / model.experts() * architecture.routing().topK();
        return new ParameterCounts(
                all(counts, Component.EMBEDDING),
                all(counts, Component.ATTENTION),
                all(counts, Component.NORMS),
                all(counts, Component.FFN),
                all(counts, Component.ROUTER),
                new Count(experts, active),
                all(counts, Component.SHARED));
    }

    public long total() {
        return embedding.total()
                + attention.total()
                + norms.total()
                + ffn.total()
                + router.total()
                + experts.total()
                + shared.total();
    }

    private static Count all(Map<Component, Long> counts, Component component) {
        return Count.all(counts.getOrDefault(component, 0L));
    }
}
