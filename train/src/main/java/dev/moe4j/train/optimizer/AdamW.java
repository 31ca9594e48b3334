package dev.moe4j.train.optimizer;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.UpdateConvention;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * AdamW (Loshchilov and Hutter 2019) over a model's units: one fused call per unit and range of weight decay.
 *
 * <p>The published system adds ε to the root of the second moment before its bias correction c = 1 − β₂ᵗ. Since
 * √v + ε = √c · (√(v / c) + ε / √c), that is the same call with ε / √c.
 */
public final class AdamW {

    /** The names of the moments among a unit's states, and behind a parameter's name in checkpoints. */
    static final String FIRST_MOMENT = "exp_avg";

    static final String SECOND_MOMENT = "exp_avg_sq";

    public static final List<String> MOMENTS = List.of(FIRST_MOMENT, SECOND_MOMENT);

    private static final double PUBLISHED_CLIP_EPSILON = 1e-6;

    private final OptimizerConfig config;

    public AdamW(OptimizerConfig config) {
        this.config = config;
    }

    /** The norm of the gradients that this process keeps, but for units that are frozen; squares add up over processes. */
    public static double gradientNorm(Parameters parameters) {
        try (Scope scope = Scope.open()) {
            return norm(gradientNorms(parameters, scope));
        }
    }

    /** The norm of each unit's gradient, for {@link #norm}. */
    public static DeferredScalars gradientNorms(Parameters parameters, Scope owner) {
        try (Scope _ = Scope.open()) {
            Tensor[] norms = parameters.trained().stream()
                    .map(unit -> unit.ownGradient().euclideanNorm().view(1))
                    .toArray(Tensor[]::new);
            return DeferredScalars.of(Tensor.concat(0, norms), owner);
        }
    }

    /** The norm over all units. */
    public static double norm(DeferredScalars unitNorms) {
        double sum = 0;
        for (double norm : unitNorms.values()) {
            sum += norm * norm;
        }
        return Math.sqrt(sum);
    }

    /**
     * Updates masters and working copies of all units that are not frozen.
     *
     * @param update the number of this update, from 1 on
     * @param gradientNorm the global norm, for clipping, of the gradients over their scale
     * @param gradientScale what the gradients are multiplied by
     */
    public void update(
            Parameters parameters, long update, double learningRate, double gradientNorm, double gradientScale) {
        try (Scope _ = Scope.open()) {
            Tensor step = Tensor.full((double) update, DType.FLOAT32, parameters.device());
            boolean published = config.convention() == UpdateConvention.PUBLISHED;
            double excess = (gradientNorm + (published ? PUBLISHED_CLIP_EPSILON : 0)) / config.clip();
            double divided = gradientScale * (config.clip() > 0 ? Math.max(excess, 1) : 1);
            Tensor divisor = divided == 1 ? null : Tensor.full(divided, DType.FLOAT32, parameters.device());
            double epsilon = published
                    ? config.epsilon() / Math.sqrt(1 - Math.pow(config.beta2(), (double) update))
                    : config.epsilon();
            for (ParameterGroup unit : parameters.trained()) {
                long total = unit.master().elements();
                long decayed = published ? total : unit.decayedElements();
                update(unit, 0, decayed, config.weightDecay(), step, learningRate, epsilon, divisor);
                update(unit, decayed, total - decayed, 0, step, learningRate, epsilon, divisor);
            }
        }
        parameters.refresh();
    }

    private void update(
            ParameterGroup unit,
            long start,
            long length,
            double weightDecay,
            Tensor step,
            double learningRate,
            double epsilon,
            @Nullable Tensor divisor) {
        if (length == 0) {
            return;
        }
        Functions.adamw(
                unit.master().narrow(0, start, length),
                unit.gradient().to(unit.master().dtype()).narrow(0, start, length),
                unit.state(FIRST_MOMENT).narrow(0, start, length),
                unit.state(SECOND_MOMENT).narrow(0, start, length),
                step,
                learningRate,
                config.beta1(),
                config.beta2(),
                weightDecay,
                epsilon,
                divisor);
    }
}
