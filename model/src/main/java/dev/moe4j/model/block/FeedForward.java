package dev.moe4j.model.block;

import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A feed-forward network for all tokens: a dense layer's, or that of the shared experts.
 *
 * @param fc1 {@code [ffn, model]}, or {@code [2 · ffn, model]} with all gates first if gated
 * @param fc2 {@code [model, ffn]}
 * @param outputGate {@code [1, model]}: its sigmoid multiplies each token's output; null for none
 * @param residual the factor of the output before it is added to the residual stream
 */
public record FeedForward(
        Linear fc1,
        InnerActivation inner,
        Linear fc2,
        @Nullable Linear outputGate,
        double residual) {

    /** The dense network of the layer whose parameters have names that start with {@code prefix}. */
    public static FeedForward dense(ModelConfig config, String prefix, Parameters parameters) {
        return of(config, prefix, parameters, false);
    }

    /** The shared experts' network of the MoE layer whose parameters have names that start with {@code prefix}. */
    public static FeedForward shared(ModelConfig config, String prefix, Parameters parameters) {
        return of(config, prefix, parameters, config.shared().gated());
    }

    private static FeedForward of(ModelConfig config, String prefix, Parameters parameters, boolean outputGate) {
        boolean bias = config.feedForward().bias();
        return new FeedForward(
                linear(prefix + "fc1", bias, parameters),
                new InnerActivation(config.activation(), config.feedForward().gated()),
                linear(prefix + "fc2", bias, parameters),
                outputGate ? linear(prefix + "gate", false, parameters) : null,
                config.multipliers().residual());
    }

    private static Linear linear(String name, boolean bias, Parameters parameters) {
        return new Linear(parameters.get(name + ".weight"), bias ? parameters.get(name + ".bias") : null);
    }

    /**
     * The specifications of the parameters.
     *
     * @param ffn the inner width
     * @param outputGate whether the output has a gate
     */
    public static List<Parameter.Spec> specs(ModelConfig config, String prefix, int ffn, boolean outputGate) {
        long width = config.width();
        long inner = config.feedForward().gated() ? 2L * ffn : ffn;
        Parameter.Initialization ofWidth = Initializations.fanIn(config.width());
        Parameter.Initialization ofInner = Initializations.fanIn(ffn);
        List<Parameter.Spec> specs = new ArrayList<>();
        specs.add(Parameter.Spec.of(prefix + "fc1.weight", List.of(inner, width), ofWidth, true));
        if (config.feedForward().bias()) {
            specs.add(Parameter.Spec.of(prefix + "fc1.bias", List.of(inner), ofWidth, false));
        }
        specs.add(Parameter.Spec.of(prefix + "fc2.weight", List.of(width, (long) ffn), ofInner, true));
        if (config.feedForward().bias()) {
            specs.add(Parameter.Spec.of(prefix + "fc2.bias", List.of(width), ofInner, false));
        }
        if (outputGate) {
            specs.add(Parameter.Spec.of(prefix + "gate.weight", List.of(1L, width), ofWidth, true));
        }
        return specs;
    }

    /**
     * FLOPs of the products for one token.
     *
     * @param ffn the inner width
     */
    public static double flops(ModelConfig config, int ffn) {
        return (config.feedForward().gated() ? 6.0 : 4.0) * config.width() * ffn;
    }

    /** FLOPs of the shared experts for one token. */
    public static double sharedFlops(ModelConfig config) {
        double gate = config.sharedExperts() > 0 && config.shared().gated() ? 2.0 * config.width() : 0;
        return flops(config, config.sharedFfn()) + gate;
    }

    public List<Parameter> parameters() {
        return Stream.of(
                        fc1.parameters(),
                        fc2.parameters(),
                        outputGate == null ? List.<Parameter>of() : outputGate.parameters())
                .flatMap(List::stream)
                .toList();
    }
}
