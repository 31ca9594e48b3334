package dev.moe4j.report;

import dev.moe4j.report.statistics.HeldOutLoss;
import dev.moe4j.report.statistics.LearningCurve;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;

/** Synthetic learning curves with a known speedup. */
public final class Curves {
    private static final int WINDOWS = 200;
    private static final long WINDOW_TOKENS = 128;

    private Curves() {}

    /**
     * A curve without noise.
     *
     * @param spread half the range of the windows' difficulty, in nats per token; the mean over windows stays exact
     */
    public static LearningCurve of(double[] flops, DoubleUnaryOperator loss, double spread) {
        return of(flops, loss, spread, 1);
    }

    /** A curve without noise that takes {@code slowness} seconds per 1e12 FLOPs. */
    public static LearningCurve of(double[] flops, DoubleUnaryOperator loss, double spread, double slowness) {
        return curve(
                flops,
                slowness,
                (point, window) -> loss.applyAsDouble(flops[point]) + spread * (2.0 * window / (WINDOWS - 1) - 1));
    }

    /** A curve with independent Gaussian noise per window; {@code noise} is its standard deviation in nats per token. */
    public static LearningCurve noisy(double[] flops, DoubleUnaryOperator loss, double noise, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        double[] errors = new double[WINDOWS];
        for (int i = 0; i < WINDOWS; i++) {
            errors[i] = noise * random.nextGaussian();
        }
        return curve(flops, 1, (point, window) -> Math.max(0, loss.applyAsDouble(flops[point]) + errors[window]));
    }

    private interface Loss {
        double at(int point, int window);
    }

    private static LearningCurve curve(double[] flops, double slowness, Loss loss) {
        List<LearningCurve.Point> points = new ArrayList<>();
        long[] tokens = new long[WINDOWS];
        Arrays.fill(tokens, WINDOW_TOKENS);
        for (int i = 0; i < flops.length; i++) {
            double[] nats = new double[WINDOWS];
            for (int window = 0; window < WINDOWS; window++) {
                nats[window] = WINDOW_TOKENS * loss.at(i, window);
            }
            points.add(new LearningCurve.Point(
                    10L * (i + 1),
                    1000L * (i + 1),
                    flops[i],
                    slowness * flops[i] / 1e12,
                    HeldOutLoss.of(nats, tokens)));
        }
        return new LearningCurve(points);
    }
}
