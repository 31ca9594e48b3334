package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;

/**
 * A model's loss on held-out text at one point of its training, by window.
 *
 * <p>Losses are stored by window so that windows can be resampled. Two models that scored the same windows can be compared
 * window by window.
 *
 * @param windows losses in the order of the text; never empty
 */
public record HeldOutLoss(List<Window> windows) {

    /**
     * A window of held-out text that the model scored.
     *
     * @param nats the sum of −ln p over the window's tokens, in nats
     * @param tokens number of tokens scored
     */
    public record Window(double nats, long tokens) {
        public Window {
            if (!Double.isFinite(nats) || nats < 0) {
                throw new IllegalArgumentException(
                        "A window's loss must be a finite sum of nats that is not negative, not " + nats);
            }
            if (tokens < 1) {
                throw new IllegalArgumentException("A window must have scored at least one token, not " + tokens);
            }
        }
    }

    public HeldOutLoss {
        windows = List.copyOf(windows);
        if (windows.isEmpty()) {
            throw new IllegalArgumentException("A held-out loss needs at least one window");
        }
    }

    /**
     * Creates a loss from arrays with one entry per window.
     *
     * @param nats sum of −ln p of each window, in nats
     * @param tokens number of tokens scored in each window
     */
    public static HeldOutLoss of(double[] nats, long[] tokens) {
        if (nats.length != tokens.length) {
            throw new IllegalArgumentException(nats.length + " losses for " + tokens.length + " windows");
        }
        List<Window> windows = new ArrayList<>(nats.length);
        for (int i = 0; i < nats.length; i++) {
            windows.add(new Window(nats[i], tokens[i]));
        }
        return new HeldOutLoss(windows);
    }

    /** Mean loss over all windows, in nats per token. */
    public double mean() {
        double nats = 0;
        for (Window window : windows) {
            nats += window.nats;
        }
        return nats / tokens();
    }

    /** Perplexity per token: exp of {@link #mean()}. */
    public double perplexity() {
        return Math.exp(mean());
    }

    /** Tokens scored in all windows. */
    public long tokens() {
        long tokens = 0;
        for (Window window : windows) {
            tokens += window.tokens;
        }
        return tokens;
    }

    /** Whether both have the same number of windows with the same token counts. */
    public boolean sameWindowsAs(HeldOutLoss other) {
        if (windows.size() != other.windows.size()) {
            return false;
        }
        for (int i = 0; i < windows.size(); i++) {
            if (windows.get(i).tokens != other.windows.get(i).tokens) {
                return false;
            }
        }
        return true;
    }
}
