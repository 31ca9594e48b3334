package dev.moe4j.train.optimizer;

import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.config.WatchConfig;

/**
 * Tells steps whose loss or gradient lies far off those before, so that they make no update. Running means are
 * exponential and do not take part of what they refuse.
 */
public final class SpikeGuard {

    /** Steps before the means are trusted. */
    public static final long WARM_UP = 20;

    /** So many in a row are no outliers any more. */
    public static final long MOST_IN_A_ROW = 20;

    private static final double MEMORY = 0.95;

    private final WatchConfig config;
    private State state = State.START;

    /**
     * What the guard knows.
     *
     * @param seen steps that passed
     * @param refused steps in a row that did not
     * @param loss running mean, nats per token
     * @param gradientNorm running mean
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
     * Whether a step may change the parameters.
     *
     * @throws TrainException if it is one of too many in a row that may not
     */
    public boolean accepts(long step, double loss, double gradientNorm) {
        boolean trusted = state.seen >= WARM_UP;
        boolean lossSpike = config.lossSpike() > 0 && loss > state.loss + config.lossSpike();
        boolean gradientSpike =
                config.gradientSpike() > 0 && gradientNorm > config.gradientSpike() * state.gradientNorm;
        if (trusted && (lossSpike || gradientSpike)) {
            refuse(step, loss, gradientNorm);
            return false;
        }
        // The mean of the first steps, then one that forgets.
        double keep = Math.min(MEMORY, (double) state.seen / (state.seen + 1));
        state = new State(
                state.seen + 1,
                0,
                keep * state.loss + (1 - keep) * loss,
                keep * state.gradientNorm + (1 - keep) * gradientNorm);
        return true;
    }

    private void refuse(long step, double loss, double gradientNorm) {
        state = new State(state.seen, state.refused + 1, state.loss, state.gradientNorm);
        if (state.refused >= MOST_IN_A_ROW) {
            throw new TrainException(
                    "step %d: the last %d steps were all spikes (loss %.4g against a mean of %.4g, "
                                    .formatted(step, state.refused, loss, state.loss)
                            + "gradient norm %.4g against %.4g): the run has diverged, or "
                                    .formatted(gradientNorm, state.gradientNorm)
                            + "watch.loss_spike and watch.gradient_spike are too small; lower optimizer.learning_rate or raise them");
        }
    }
}
