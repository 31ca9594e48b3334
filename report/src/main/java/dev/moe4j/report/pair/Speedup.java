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
 * How many times less a mixture of experts spends than a dense model until both have the same held-out loss.
 *
 * <h2>The rule</h2>
 *
 * <p>The factor is the dense model's cost over the mixture's cost at the same loss, read along two learning curves of
 * constant learning rate. (A curve under a decaying rate is not a series of results: its middle has not had the decay
 * that its end has had, so that reading across it flatters whichever model is read at its end.)
 *
 * <ul>
 *   <li><b>Target.</b> The lowest loss that both runs have had: the worse of the two curves' lowest losses, as for the
 *       families of a study. No other choice uses more of both budgets without extrapolating one of them.
 *   <li><b>Envelope.</b> Costs are read on the running minimum of a curve. Held-out loss at a constant rate jitters
 *       from one evaluation to the next, so that a curve may cross a level several times and has no inverse; its
 *       running minimum has one, and says when the run <em>first</em> had a model that good, which is what one could
 *       have stopped and kept. The same rule holds for both models.
 *   <li><b>Interpolation.</b> Between neighbouring points the logarithm of the cost is linear in the loss:
 *       {@code c(t) = exp(ln c_lo + r (ln c_hi − ln c_lo))} with {@code r = (t − t_lo) / (t_hi − t_lo)}.
 *   <li><b>No extrapolation.</b> A target that a curve does not enclose has no cost: one that it never comes down to,
 *       and one that it was already below at its first measured point.
 * </ul>
 *
 * <h2>The interval</h2>
 *
 * <p>A paired bootstrap over the held-out windows: both models scored the same windows, so each resample draws windows
 * with replacement once, for every point of both curves, and the whole rule is applied again, the choice of the target
 * included. Text that is hard for both models moves both curves alike and cancels. A resample whose target lies before
 * the first measured point of one model counts as an infinite (or zero) factor; where so many do that an end of the
 * interval is among them, there is no factor.
 *
 * <p>The interval covers the choice of held-out text. It does not cover the seed, which takes several runs of each
 * model. So a comparison of two runs is never more than undecided ({@link Verdict#of}).
 *
 * @param domain the held-out text in words, such as {@code in-domain}
 * @param cost what is compared
 * @param targetLoss the loss at which costs are read, in nats per token
 * @param verdict the outcome
 * @param reading the factor; empty exactly where the verdict is {@link Verdict#NOT_REACHED}
 * @param atEqualCost both losses after the same cost; empty where the shorter run ended before the longer one's first
 *     evaluation
 * @param denseBudget what the dense run spent in all, in the unit of {@code cost}
 * @param moeBudget what the mixture's run spent in all
 * @param windows held-out windows that were resampled
 */
public record Speedup(
        String domain,
        CostMeasure cost,
        double targetLoss,
        Verdict verdict,
        Optional<Reading> reading,
        Optional<EqualCost> atEqualCost,
        double denseBudget,
        double moeBudget,
        int windows) {

    /** How often the windows are resampled for an interval. */
    public static final int RESAMPLES = 1000;

    private static final long SEED = 20260101;

    /**
     * The factor and where it was read.
     *
     * @param factor dense cost over mixture cost: above 1 the mixture pays
     * @param interval 95 % over resampled held-out windows
     * @param denseCost what the dense model spent to reach the target
     * @param moeCost what the mixture spent to reach the target
     */
    public record Reading(double factor, Interval interval, double denseCost, double moeCost) {}

    /**
     * Both models after the same cost, the smaller of the two budgets.
     *
     * @param cost FLOPs or seconds
     * @param denseLoss nats per token
     * @param moeLoss nats per token
     * @param difference 95 % interval of {@code moeLoss − denseLoss}: below 0 the mixture is better
     */
    public record EqualCost(double cost, double denseLoss, double moeLoss, Interval difference) {
        /** Nats per token; negative where the mixture is better. */
        public double lossDifference() {
            return moeLoss - denseLoss;
        }
    }

    public Speedup {
        if (reading.isEmpty() != (verdict == Verdict.NOT_REACHED)) {
            throw new IllegalArgumentException("A factor goes with every verdict but " + Verdict.NOT_REACHED);
        }
    }

    /**
     * Compares two runs on every held-out text that both were scored on, in FLOPs and then in time.
     *
     * @param dense the dense run's curves by held-out text, in the order wanted
     * @param moe the mixture's curves
     */
    public static List<Speedup> compareAll(
            SequencedMap<String, LearningCurve> dense, SequencedMap<String, LearningCurve> moe) {
        List<Speedup> speedups = new ArrayList<>();
        for (CostMeasure cost : CostMeasure.values()) {
            dense.forEach((domain, curve) -> {
                LearningCurve other = moe.get(domain);
                if (other != null) {
                    speedups.add(compare(domain, cost, curve, other));
                }
            });
        }
        return List.copyOf(speedups);
    }

    /** Compares with a fixed seed, so that the same curves give the same interval. */
    public static Speedup compare(String domain, CostMeasure cost, LearningCurve dense, LearningCurve moe) {
        return compare(domain, cost, dense, moe, SEED);
    }

    /**
     * Compares two runs by the rule above.
     *
     * @param domain the held-out text in words, such as {@code in-domain}
     * @param dense the dense run's curve
     * @param moe the mixture's curve, over the same held-out windows
     * @param seed of the resampling
     */
    public static Speedup compare(String domain, CostMeasure cost, LearningCurve dense, LearningCurve moe, long seed) {
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
        return new Speedup(
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

    /** The factor alone; empty where it was not reached. */
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
     * The cost at which a curve first comes down to a loss, read on its running minimum.
     *
     * @param costs growing
     * @param losses one for each cost
     * @return NaN where the curve does not enclose {@code target}
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
     * The loss after a cost: linear in the logarithm of the cost between neighbouring points, on the curve itself.
     *
     * @return NaN where {@code cost} lies outside the curve
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
     * The middle 95 %, each end rounded outwards to a value that occurred. What could not be measured (NaN) counts as
     * beyond either end.
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

    /** A curve's losses under other weights of its windows. */
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
