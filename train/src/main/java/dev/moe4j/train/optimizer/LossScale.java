package dev.moe4j.train.optimizer;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.LossScaleConfig;
import dev.moe4j.train.config.TrainException;
import org.jspecify.annotations.Nullable;

/**
 * Dynamic loss scaling (Micikevicius et al. 2018). Gradients below 6e-8 are 0 in float16, so the loss is multiplied by a
 * scale before backward, and the gradients in float32 are divided by it. A step whose gradients overflow makes no update
 * and halves the scale; many steps in a row without overflow double it. A skipped step uses up its data and its place in
 * the schedule; the optimizer's count of updates, by which it corrects its moments, passes it over.
 */
public final class LossScale {

    private static final double FACTOR = 2;

    private final LossScaleConfig config;
    private final boolean active;
    private State state;

    /**
     * What the next step depends on.
     *
     * @param scale of the next step
     * @param goodSteps without overflow since the scale changed
     */
    public record State(double scale, long goodSteps) {

        private static final State UNSCALED = new State(1, 0);

        public State {
            if (!(scale > 0) || Double.isInfinite(scale) || goodSteps < 0) {
                throw new TrainException("loss_scale: a scale of " + scale + " after " + goodSteps
                        + " good steps is not above 0; use an older checkpoint");
            }
        }
    }

    public LossScale(LossScaleConfig config, Precision precision) {
        this.config = config;
        this.active = precision.compute() == DType.FLOAT16;
        this.state = active ? new State(config.initial(), 0) : State.UNSCALED;
    }

    /** Whether the run scales its loss at all. */
    public boolean active() {
        return active;
    }

    /** Null where nothing is scaled. */
    @Nullable
    public State state() {
        return active ? state : null;
    }

    /**
     * Goes on where a run stood.
     *
     * @param earlier null where it did not scale; one that scales begins anew then
     */
    public void restore(@Nullable State earlier) {
        if (active && earlier != null) {
            state = earlier;
        }
    }

    /** What the next step's loss is multiplied by; 1 where nothing is scaled. */
    public double scale() {
        return state.scale;
    }

    /**
     * Whether a step may change the parameters: always where nothing is scaled.
     *
     * @param gradientNorm NaN or infinite where gradients overflowed
     * @throws TrainException if the scale has become too small
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
