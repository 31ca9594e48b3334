package dev.moe4j.train.optimizer;

import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.config.WatchConfig;

/**
 * Detects steps whose loss or gradient norm is far above its running mean, so that the trainer skips their update. The
 * running means are exponential and leave out skipped steps.
 */
public final class SpikeGuard {

    /** Steps that the running means need before they are used. */
    public static final long WARM_UP_STEPS = 20;

    /** This many consecutive skipped steps end the run: the training has diverged. */
    public static final long MAX_CONSECUTIVE_SKIPS = 20;

    private static final double DECAY = 0.95;

    private final WatchConfig config;
    private State state = State.START;

    /**
     * The running means, as checkpoints store them.
     *
     * @param seen steps that were accepted
     * @param refused consecutive steps that were skipped
     * @param loss running mean of the loss, in nats per token
     * @param gradientNorm running mean of the gradient norm
     */
    public record State(long seen, long refused, double loss, double gradientNorm) {
        public static final State START = new State(0, 0, 0, 0);
    }

    public SpikeGuard(WatchConfig config) {
        this.config = config;
    }

    public State state() {
        return state;
    }

    public void restore(State earlier) {
        state = earlier;
    }

    /**
     * Whether a step may update the parameters.
     *
     * @throws TrainException if too many consecutive steps were skipped
     */
    public boolean accepts(long step, double loss, double gradientNorm) {
        boolean trusted = state.seen >= WARM_UP_STEPS;
        boolean lossSpike = config.lossSpike() > 0 && loss > state.loss + config.lossSpike();
        boolean gradientSpike =
                config.gradientSpike() > 0 && gradientNorm > config.gradientSpike() * state.gradientNorm;
        if (trusted && (lossSpike || gradientSpike)) {
            refuse(step, loss, gradientNorm);
            return false;
        }
        // A plain mean at first, then an exponential one.
        double keep = Math.min(DECAY, (double) state.seen / (state.seen + 1));
        state = new State(
                state.seen + 1,
                0,
                keep * state.loss + (1 - keep) * loss,
                keep * state.gradientNorm + (1 - keep) * gradientNorm);
        return true;
    }

    private void refuse(long step, double loss, double gradientNorm) {
        state = new State(state.seen, state.refused + 1, state.loss, state.gradientNorm);
        if (state.refused >= MAX_CONSECUTIVE_SKIPS) {
            throw new TrainException(
                    "step %d: the last %d steps were all spikes (loss %.4g against a mean of %.4g, "
                                    .formatted(step, state.refused, loss, state.loss)
                            + "gradient norm %.4g against %.4g): the run has diverged, or "
                                    .formatted(gradientNorm, state.gradientNorm)
                            + "watch.loss_spike and watch.gradient_spike are too small; lower optimizer.learning_rate or raise them");
        }
    }
}
