package dev.moe4j.train.optimizer;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.LossScaleConfig;
import dev.moe4j.train.config.TrainException;
import org.jspecify.annotations.Nullable;

/**
 * Dynamic loss scaling for mixed precision training in fp16 (Micikevicius et al. 2018). Gradients below 6e-8 become 0
 * in float16. The loss is therefore multiplied by a scale before the backward pass, and the float32 gradients are
 * divided by it.
 *
 * <p>A step whose gradients overflow makes no update and halves the scale. A number of consecutive steps without
 * overflow doubles it. A skipped step consumes its data and advances the schedule, but does not count for the
 * optimizer's bias correction.
 */
public final class LossScale {

    private static final double FACTOR = 2;

    private final LossScaleConfig config;
    private final boolean active;
    private State state;

    /**
     * The scale and its history, as checkpoints store them.
     *
     * @param scale the scale of the next step
     * @param goodSteps steps without overflow since the scale changed
     */
    public record State(double scale, long goodSteps) {

        private static final State UNSCALED = new State(1, 0);

        public State {
            if (!(scale > 0) || Double.isInfinite(scale) || goodSteps < 0) {
                throw new TrainException("loss_scale: a scale of " + scale + " after " + goodSteps
                        + " steps without overflow is not valid; use an older checkpoint");
            }
        }
    }

    public LossScale(LossScaleConfig config, Precision precision) {
        this.config = config;
        this.active = precision.compute() == DType.FLOAT16;
        this.state = active ? new State(config.initial(), 0) : State.UNSCALED;
    }

    /** Whether the run scales its loss, which it does in fp16 only. */
    public boolean active() {
        return active;
    }

    /** The state for a checkpoint; null if the loss is not scaled. */
    @Nullable
    public State state() {
        return active ? state : null;
    }

    /**
     * Continues from a checkpoint.
     *
     * @param earlier null if that run did not scale its loss; scaling then starts with the initial scale
     */
    public void restore(@Nullable State earlier) {
        if (active && earlier != null) {
            state = earlier;
        }
    }

    /** The factor for the next step's loss; 1 if the loss is not scaled. */
    public double scale() {
        return state.scale;
    }

    /**
     * Whether a step may update the parameters; always true if the loss is not scaled.
     *
     * @param gradientNorm the global norm; NaN or infinite if gradients overflowed
     * @throws TrainException if the scale falls below its minimum
     */
    public boolean accepts(long step, double gradientNorm) {
        if (!active) {
            return true;
        }
        boolean good = Double.isFinite(gradientNorm);
        if (good) {
            boolean grows = state.goodSteps + 1 >= config.growthInterval();
            double larger = state.scale * FACTOR;
            state = grows && Float.isFinite((float) larger)
                    ? new State(larger, 0)
                    : new State(state.scale, state.goodSteps + 1);
        } else {
            double smaller = state.scale / FACTOR;
            if (smaller < config.minimum()) {
                throw new TrainException("step " + step + ": gradients overflow in fp16 even at a loss scale of "
                        + state.scale + ", and loss_scale.minimum is " + config.minimum()
                        + ": the run has diverged or does not suit fp16; lower optimizer.learning_rate or set"
                        + " precision=bf16");
            }
            state = new State(smaller, 0);
        }
        return good;
    }
}
