package dev.moe4j.report.pair;

import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.report.statistics.HeldOutLoss;
import dev.moe4j.report.statistics.Interval;
import dev.moe4j.report.statistics.LearningCurve;
import dev.moe4j.report.statistics.Verdict;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SequencedMap;
import java.util.SplittableRandom;

/**
 * The speedup of one mixture-of-experts run over one dense run: how many times less the mixture spends to reach the same
 * held-out loss.
 *
 * <h2>The rule</h2>
 *
 * <p>The factor is the dense model's cost divided by the mixture's cost at the same loss. Both costs are read from
 * learning curves with a constant learning rate. A curve with a decaying rate would be biased: only its end has had the
 * full decay, so the model that is read at its end would look better.
 *
 * <ul>
 *   <li><b>Target.</b> The lowest loss that both runs reached, which is the worse of the two curves' lowest losses. The
 *       families of a study use the same target. It uses as much of both budgets as possible without extrapolation.
 *   <li><b>Envelope.</b> Costs are read from the running minimum of a curve. Held-out loss at a constant rate jitters
 *       between evaluations, so a curve may cross a level several times. The running minimum crosses it once, where the
 *       run <em>first</em> had a model that good. One could have stopped there and kept that model.
 *   <li><b>Interpolation.</b> Between neighbouring points the logarithm of the cost is linear in the loss:
 *       {@code c(t) = exp(ln c_lo + r (ln c_hi − ln c_lo))} with {@code r = (t − t_lo) / (t_hi − t_lo)}.
 *   <li><b>No extrapolation.</b> A target has no cost if the curve never reaches it, or if the curve's first point is
 *       already below it.
 * </ul>
 *
 * <h2>The interval</h2>
 *
 * <p>The interval comes from a paired bootstrap over held-out windows. Both models scored the same windows. So each
 * resample draws windows with replacement once, for all points of both curves, and applies the complete rule again,
 * including the choice of the target. Text that is hard for both models shifts both curves equally, and the effect
 * cancels. If a resample's target lies before the first point of one model, its factor counts as infinite or zero. If an
 * end of the interval is such a resample, there is no factor.
 *
 * <p>The interval covers the choice of held-out text. It does not cover the seed, which would need several runs of each
 * model. So two runs are never enough to decide ({@link Verdict#of}).
 *
 * @param domain the held-out text in words, such as {@code in-domain}
 * @param cost the cost that is compared
 * @param targetLoss the loss at which costs are read, in nats per token
 * @param verdict the outcome
 * @param reading the factor; empty exactly if the verdict is {@link Verdict#NOT_REACHED}
 * @param atEqualCost both losses at the same cost; empty if the shorter run ended before the longer run's first
 *     evaluation
 * @param denseBudget total cost of the dense run, in the unit of {@code cost}
 * @param moeBudget total cost of the mixture's run, in the unit of {@code cost}
 * @param windows number of held-out windows that were resampled
 */
public record PairSpeedup(
        String domain,
        CostMeasure cost,
        double targetLoss,
        Verdict verdict,
        Optional<Reading> reading,
        Optional<EqualCost> atEqualCost,
        double denseBudget,
        double moeBudget,
        int windows) {

    /** Number of bootstrap resamples. */
    public static final int RESAMPLES = 1000;

    private static final long SEED = 20260101;

    /**
     * The factor and where it was read.
     *
     * @param factor dense cost over mixture cost: above 1 the mixture needs less
     * @param interval 95 % interval over resampled held-out windows
     * @param denseCost cost at which the dense model reached the target
     * @param moeCost cost at which the mixture reached the target
     */
    public record Reading(double factor, Interval interval, double denseCost, double moeCost) {}

    /**
     * Both losses at the same cost, which is the smaller of the two budgets.
     *
     * @param cost FLOPs or seconds
     * @param denseLoss the dense model's loss, in nats per token
     * @param moeLoss the mixture's loss, in nats per token
     * @param difference 95 % interval of {@code moeLoss − denseLoss}; the mixture is better below 0
     */
    public record EqualCost(double cost, double denseLoss, double moeLoss, Interval difference) {
        /** Mixture loss minus dense loss, in nats per token; negative if the mixture is better. */
        public double lossDifference() {
            return moeLoss - denseLoss;
        }
    }

    public PairSpeedup {
        if (reading.isEmpty() != (verdict == Verdict.NOT_REACHED)) {
            throw new IllegalArgumentException("A factor goes with every verdict but " + Verdict.NOT_REACHED);
        }
    }

    /**
     * Compares two runs on each held-out text that both were scored on, first in FLOPs, then in time.
     *
     * @param dense the dense run's curves by held-out text, in the order of the result
     * @param moe the mixture's curves by held-out text
     */
    public static List<PairSpeedup> compareAll(
            SequencedMap<String, LearningCurve> dense, SequencedMap<String, LearningCurve> moe) {
        List<PairSpeedup> speedups = new ArrayList<>();
        for (CostMeasure cost : List.of(CostMeasure.FLOPS, CostMeasure.SECONDS)) {
            dense.forEach((domain, curve) -> {
                LearningCurve other = moe.get(domain);
                if (other != null) {
                    speedups.add(compare(domain, cost, curve, other));
                }
            });
        }
        return List.copyOf(speedups);
    }

    /** Compares two runs with a fixed seed, so that the same curves give the same interval. */
    public static PairSpeedup compare(String domain, CostMeasure cost, LearningCurve dense, LearningCurve moe) {
        return compare(domain, cost, dense, moe, SEED);
    }

    /**
     * Compares two runs by the rule above.
     *
     * @param domain the held-out text in words, such as {@code in-domain}
     * @param cost FLOPs or seconds
     * @param dense the dense run's curve
     * @param moe the mixture's curve, over the same held-out windows
     * @param seed seed of the bootstrap
     * @throws IllegalArgumentException if the runs scored different windows, or fewer than two
     */
    public static PairSpeedup compare(
            String domain, CostMeasure cost, LearningCurve dense, LearningCurve moe, long seed) {
        HeldOutLoss windows = dense.first().heldOut();
        if (!windows.sameWindowsAs(moe.first().heldOut())) {
            throw new IllegalArgumentException(
                    "Both models must be scored on the same held-out windows: the dense one was scored on "
                            + windows.windows().size() + " windows with " + windows.tokens()
                            + " tokens, the mixture on "
                            + moe.first().heldOut().windows().size() + " with "
                            + moe.first().heldOut().tokens());
        }
        int count = windows.windows().size();
        if (count < 2) {
            throw new IllegalArgumentException(
                    "An interval needs at least two held-out windows; there is " + count + ": hold out more text");
        }
        double[] denseCosts = dense.costs(cost);
        double[] moeCosts = moe.costs(cost);
        Measured measured = measure(denseCosts, dense.losses(), moeCosts, moe.losses());

        Resampler denseWindows = new Resampler(dense);
        Resampler moeWindows = new Resampler(moe);
        SplittableRandom random = new SplittableRandom(seed);
        double[] factors = new double[RESAMPLES];
        double[] differences = new double[RESAMPLES];
        for (int i = 0; i < RESAMPLES; i++) {
            int[] weights = new int[count];
            for (int draw = 0; draw < count; draw++) {
                weights[random.nextInt(count)]++;
            }
            Measured resampled =
                    measure(denseCosts, denseWindows.losses(weights), moeCosts, moeWindows.losses(weights));
            factors[i] = resampled.factor;
            differences[i] = resampled.moeAtEqualCost - resampled.denseAtEqualCost;
        }

        Optional<Reading> reading = Optional.empty();
        if (measured.reached()) {
            Interval interval = percentiles(factors);
            if (interval.low() > 0 && interval.high() < Double.POSITIVE_INFINITY) {
                reading = Optional.of(new Reading(measured.factor, interval, measured.denseCost, measured.moeCost));
            }
        }
        double factor = reading.map(Reading::factor).orElse(Double.NaN);
        Optional<EqualCost> equal = Double.isNaN(measured.denseAtEqualCost + measured.moeAtEqualCost)
                ? Optional.empty()
                : Optional.of(new EqualCost(
                        measured.equalCost,
                        measured.denseAtEqualCost,
                        measured.moeAtEqualCost,
                        percentiles(differences)));
        return new PairSpeedup(
                domain,
                cost,
                measured.target,
                Verdict.of(factor, 1, Optional.empty()),
                reading,
                equal,
                cost.of(dense.last()),
                cost.of(moe.last()),
                count);
    }

    /** exp of the target loss. */
    public double targetPerplexity() {
        return Math.exp(targetLoss);
    }

    /** The factor; empty if the verdict is {@link Verdict#NOT_REACHED}. */
    public OptionalDouble factor() {
        return reading.stream().mapToDouble(Reading::factor).findFirst();
    }

    /** The rule applied to one set of losses. */
    private record Measured(
            double target,
            double denseCost,
            double moeCost,
            double factor,
            double equalCost,
            double denseAtEqualCost,
            double moeAtEqualCost) {
        boolean reached() {
            return !Double.isNaN(denseCost) && !Double.isNaN(moeCost);
        }
    }

    private static Measured measure(double[] denseCosts, double[] denseLosses, double[] moeCosts, double[] moeLosses) {
        double target = Math.max(lowest(denseLosses), lowest(moeLosses));
        double denseCost = costAt(denseCosts, denseLosses, target);
        double moeCost = costAt(moeCosts, moeLosses, target);
        double factor;
        if (Double.isNaN(denseCost) && Double.isNaN(moeCost)) {
            factor = Double.NaN;
        } else if (Double.isNaN(moeCost)) {
            factor = Double.POSITIVE_INFINITY;
        } else if (Double.isNaN(denseCost)) {
            factor = 0;
        } else {
            factor = denseCost / moeCost;
        }
        double equalCost = Math.min(denseCosts[denseCosts.length - 1], moeCosts[moeCosts.length - 1]);
        return new Measured(
                target,
                denseCost,
                moeCost,
                factor,
                equalCost,
                lossAt(denseCosts, denseLosses, equalCost),
                lossAt(moeCosts, moeLosses, equalCost));
    }

    private static double lowest(double[] losses) {
        return Arrays.stream(losses).min().orElseThrow();
    }

    /**
     * The cost at which a curve first reaches a loss, read from its running minimum.
     *
     * @param costs rising costs
     * @param losses the loss at each cost
     * @param target the loss to reach
     * @return NaN if the curve does not enclose {@code target}
     */
    static double costAt(double[] costs, double[] losses, double target) {
        double lowest = losses[0];
        if (lowest <= target) {
            return lowest == target ? costs[0] : Double.NaN;
        }
        for (int i = 1; i < costs.length; i++) {
            double before = lowest;
            lowest = Math.min(lowest, losses[i]);
            if (lowest <= target) {
                double r = (target - before) / (lowest - before);
                double from = Math.log(costs[i - 1]);
                return Math.exp(from + r * (Math.log(costs[i]) - from));
            }
        }
        return Double.NaN;
    }

    /**
     * The loss at a cost, linear in the logarithm of the cost between neighbouring points of the curve.
     *
     * @return NaN if {@code cost} lies outside the curve
     */
    static double lossAt(double[] costs, double[] losses, double cost) {
        if (cost == costs[0]) {
            return losses[0];
        }
        for (int i = 1; i < costs.length; i++) {
            if (cost > costs[i - 1] && cost <= costs[i]) {
                double r = Math.log(cost / costs[i - 1]) / Math.log(costs[i] / costs[i - 1]);
                return losses[i - 1] + r * (losses[i] - losses[i - 1]);
            }
        }
        return Double.NaN;
    }

    /**
     * The middle 95 % of the values. Each end is rounded outwards to an actual value. A NaN counts as beyond both ends.
     */
    static Interval percentiles(double[] values) {
        int last = values.length - 1;
        double[] fromBelow = sorted(values, Double.NEGATIVE_INFINITY);
        double[] fromAbove = sorted(values, Double.POSITIVE_INFINITY);
        return new Interval(fromBelow[(int) Math.floor(0.025 * last)], fromAbove[(int) Math.ceil(0.975 * last)]);
    }

    private static double[] sorted(double[] values, double unmeasured) {
        return Arrays.stream(values)
                .map(value -> Double.isNaN(value) ? unmeasured : value)
                .sorted()
                .toArray();
    }

    /** Computes a curve's losses with resampled windows. */
    private static final class Resampler {
        private final double[][] nats;
        private final long[] tokens;

        Resampler(LearningCurve curve) {
            nats = curve.points().stream()
                    .map(point -> point.heldOut().windows().stream()
                            .mapToDouble(HeldOutLoss.Window::nats)
                            .toArray())
                    .toArray(double[][]::new);
            tokens = curve.first().heldOut().windows().stream()
                    .mapToLong(HeldOutLoss.Window::tokens)
                    .toArray();
        }

        double[] losses(int[] weights) {
            double weightedTokens = 0;
            for (int i = 0; i < weights.length; i++) {
                weightedTokens += (double) weights[i] * tokens[i];
            }
            double[] losses = new double[nats.length];
            for (int point = 0; point < nats.length; point++) {
                double[] windows = nats[point];
                double sum = 0;
                for (int i = 0; i < weights.length; i++) {
                    sum += weights[i] * windows[i];
                }
                losses[point] = sum / weightedTokens;
            }
            return losses;
        }
    }
}
