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
 * The AdamW optimizer (Loshchilov and Hutter 2019). Each parameter group takes one fused call for the parameters with
 * weight decay and one for the others. With a sharded optimizer (ZeRO), each process updates its shard of the master
 * weights and moments.
 *
 * <p>The published system adds ε to the root of the second moment before its bias correction c = 1 − β₂ᵗ. Since √v + ε
 * = √c · (√(v / c) + ε / √c), this equals the usual update with ε / √c.
 */
public final class AdamW {

    /**
     * The name of the first moment: a state of each parameter group, and a suffix of parameter names in checkpoints.
     */
    static final String FIRST_MOMENT = "exp_avg";

    static final String SECOND_MOMENT = "exp_avg_sq";

    public static final List<String> MOMENTS = List.of(FIRST_MOMENT, SECOND_MOMENT);

    private static final double PUBLISHED_CLIP_EPSILON = 1e-6;

    private final OptimizerConfig config;

    public AdamW(OptimizerConfig config) {
        this.config = config;
    }

    /**
     * Returns the L2 norm of the gradients that this process owns, without frozen groups. The squares of all processes'
     * norms add up to the square of the global norm.
     */
    public static double gradientNorm(Parameters parameters) {
        try (Scope scope = Scope.open()) {
            return norm(gradientNorms(parameters, scope));
        }
    }

    /** Returns the L2 norm of each group's gradient, {@code [trained groups]}, to be combined by {@link #norm}. */
    public static DeferredScalars gradientNorms(Parameters parameters, Scope owner) {
        try (Scope _ = Scope.open()) {
            Tensor[] norms = parameters.trained().stream()
                    .map(group -> group.ownGradient().euclideanNorm().view(1))
                    .toArray(Tensor[]::new);
            return DeferredScalars.of(Tensor.concat(0, norms), owner);
        }
    }

    /** Returns the norm over all groups. */
    public static double norm(DeferredScalars groupNorms) {
        double sum = 0;
        for (double norm : groupNorms.values()) {
            sum += norm * norm;
        }
        return Math.sqrt(sum);
    }

    /**
     * Updates the master weights and the working copies of all groups that are not frozen.
     *
     * @param update the number of this update, from 1
     * @param gradientNorm the global norm of the unscaled gradients, for clipping
     * @param gradientScale the factor that the gradients were multiplied by
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
            for (ParameterGroup group : parameters.trained()) {
                long total = group.master().elements();
                long decayed = published ? total : group.decayedElements();
                update(group, 0, decayed, config.weightDecay(), step, learningRate, epsilon, divisor);
                update(group, decayed, total - decayed, 0, step, learningRate, epsilon, divisor);
            }
        }
        parameters.refresh();
    }

    private void update(
            ParameterGroup group,
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
                group.master().narrow(0, start, length),
                group.gradient().to(group.master().dtype()).narrow(0, start, length),
                group.state(FIRST_MOMENT).narrow(0, start, length),
                group.state(SECOND_MOMENT).narrow(0, start, length),
                step,
                learningRate,
                config.beta1(),
                config.beta2(),
                weightDecay,
                epsilon,
                divisor);
    }
}
