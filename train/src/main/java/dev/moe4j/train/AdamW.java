package dev.moe4j.train;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.Unit;
import org.jspecify.annotations.Nullable;

/** AdamW (Loshchilov and Hutter 2019) over a model's units: one fused call per unit and range of weight decay. */
final class AdamW {

    /** The names of the moments among a unit's states, and behind a parameter's name in checkpoints. */
    static final String FIRST_MOMENT = "exp_avg";

    static final String SECOND_MOMENT = "exp_avg_sq";

    private final OptimizerConfig config;

    AdamW(OptimizerConfig config) {
        this.config = config;
    }

    /** The global norm of all gradients. */
    static double gradientNorm(Parameters parameters) {
        double sum = 0;
        for (Unit unit : parameters.units()) {
            double norm = unit.gradient().norm();
            sum += norm * norm;
        }
        return Math.sqrt(sum);
    }

    /**
     * Updates masters and working copies.
     *
     * @param update the number of this update, from 1 on
     * @param gradientNorm the global norm, for clipping
     */
    void update(Parameters parameters, long update, double learningRate, double gradientNorm) {
        try (Scope _ = Scope.open()) {
            Tensor step = Tensor.full((double) update, DType.FLOAT32, parameters.device());
            boolean clipped = config.clip() > 0 && gradientNorm > config.clip();
            Tensor divisor =
                    clipped ? Tensor.full(gradientNorm / config.clip(), DType.FLOAT32, parameters.device()) : null;
            for (Unit unit : parameters.units()) {
                long total = unit.master().elements();
                long decayed = config.decayAll() ? total : unit.decayedElements();
                update(unit, 0, decayed, config.weightDecay(), step, learningRate, divisor);
                update(unit, decayed, total - decayed, 0, step, learningRate, divisor);
            }
        }
        parameters.refresh();
    }

    private void update(
            Unit unit,
            long start,
            long length,
            double weightDecay,
            Tensor step,
            double learningRate,
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
                config.epsilon(),
                divisor);
    }
}
