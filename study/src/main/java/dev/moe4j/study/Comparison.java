package dev.moe4j.study;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Dense models against mixtures, by one figure and one cost.
 *
 * <p><b>The factor</b> is read at the better of what both families reach: the target is the worse of their best figures,
 * the factor the dense cost over the mixtures' cost of it. Nothing is extrapolated.
 *
 * <p><b>The interval</b> is 95 % of resamples to which the whole rule is applied again, the choice of the target
 * included. A resample draws, with replacement, seeds of each model, and for perplexities the texts of a mean, the same
 * for all models; accuracies get a normal error as wide as their own intervals over questions, each its own. So the
 * interval covers seeds only where models have several.
 *
 * @param dense the family's curve of mean figures over mean costs
 * @param denseCost of the target; NaN where a family does not enclose it
 * @param low end of the interval; NaN where there is nothing to resample, or too many resamples have no factor
 */
record Comparison(
        Figure figure,
        Spending spending,
        CostCurve dense,
        CostCurve moe,
        SpeedupCurve curve,
        double target,
        double denseCost,
        double moeCost,
        double low,
        double high) {

    static final int RESAMPLES = 1000;

    private static final long SEED = 20260101;

    static Comparison of(Figure figure, Spending spending, List<Rung> rungs) {
        List<Rung> measured = rungs.stream()
                .filter(rung -> figure.isMean()
                        ? !rung.members(figure.group()).isEmpty()
                        : rung.members(figure.group()).contains(figure.member()))
                .toList();
        List<String> members = figure.isMean() ? common(figure.group(), measured) : List.of(figure.member());
        Draw plain = new Draw(figure.group(), members, null);
        CostCurve dense = curve(figure, spending, measured, true, plain);
        CostCurve moe = curve(figure, spending, measured, false, plain);
        Reading reading = Reading.of(dense, moe);
        double[] ends = interval(figure, spending, measured, members);
        boolean ok = !Double.isNaN(reading.factor());
        return new Comparison(
                figure,
                spending,
                dense,
                moe,
                SpeedupCurve.of(dense, moe),
                reading.target,
                reading.denseCost,
                reading.moeCost,
                ok ? ends[0] : Double.NaN,
                ok ? ends[1] : Double.NaN);
    }

    double factor() {
        return denseCost / moeCost;
    }

    Verdict verdict() {
        if (Double.isNaN(factor())) {
            return Verdict.NOT_REACHED;
        }
        if (Double.isNaN(low) || (low <= 1 && high >= 1)) {
            return Verdict.NO_DIFFERENCE;
        }
        return low > 1 ? Verdict.MIXTURE_PAYS : Verdict.DENSE_PAYS;
    }

    /** The members that all were measured on. */
    private static List<String> common(Figure.Group group, List<Rung> rungs) {
        if (rungs.isEmpty()) {
            return List.of();
        }
        List<String> common = new ArrayList<>(rungs.getFirst().members(group));
        rungs.forEach(rung -> common.retainAll(rung.members(group)));
        return common;
    }

    private static CostCurve curve(Figure figure, Spending spending, List<Rung> rungs, boolean dense, Draw draw) {
        return CostCurve.of(
                rungs.stream()
                        .filter(rung -> rung.isDense() == dense)
                        .map(rung -> draw.point(rung, spending))
                        .toList(),
                figure.group().lowerIsBetter());
    }

    private static double[] interval(Figure figure, Spending spending, List<Rung> rungs, List<String> members) {
        boolean varies = rungs.stream().anyMatch(rung -> rung.seeds().size() > 1)
                || (members.size() > 1 && figure.group().lowerIsBetter())
                || !figure.group().lowerIsBetter();
        if (!varies) {
            return new double[] {Double.NaN, Double.NaN};
        }
        SplittableRandom random = new SplittableRandom(SEED);
        double[] factors = new double[RESAMPLES];
        for (int i = 0; i < RESAMPLES; i++) {
            List<String> drawn = figure.group().lowerIsBetter()
                    ? members.stream()
                            .map(_ -> members.get(random.nextInt(members.size())))
                            .toList()
                    : members;
            Draw draw = new Draw(figure.group(), drawn, random);
            factors[i] = Reading.of(
                            curve(figure, spending, rungs, true, draw), curve(figure, spending, rungs, false, draw))
                    .factor();
        }
        Interval interval = Speedup.percentiles(factors);
        boolean told = interval.low() > 0 && interval.high() < Double.POSITIVE_INFINITY;
        return new double[] {told ? interval.low() : Double.NaN, told ? interval.high() : Double.NaN};
    }

    /** Both costs at the worse of the families' best figures. */
    private record Reading(double target, double denseCost, double moeCost) {
        static Reading of(CostCurve dense, CostCurve moe) {
            boolean denseWorse = CostCurve.better(moe.best(), dense.best(), dense.lowerIsBetter());
            double target = denseWorse ? dense.best() : moe.best();
            return new Reading(target, dense.costAt(target), moe.costAt(target));
        }

        double factor() {
            return denseCost / moeCost;
        }
    }

    /**
     * How a rung becomes a point: by its means, or with a random number generator by a resample.
     *
     * @param members those that count, some more than once
     */
    private record Draw(
            Figure.Group group,
            List<String> members,
            @Nullable SplittableRandom random) {

        CostCurve.Point point(Rung rung, Spending spending) {
            int count = rung.seeds().size();
            double cost = 0;
            double figure = 0;
            for (int i = 0; i < count; i++) {
                Trained seed = rung.seeds().get(random == null ? i : random.nextInt(count));
                cost += spending.of(seed) / count;
                for (String member : members) {
                    double error = random == null ? 0 : random.nextGaussian() * seed.error(group, member);
                    figure += (seed.of(group, member) + error) / members.size() / count;
                }
            }
            return new CostCurve.Point(cost, members.isEmpty() ? Double.NaN : figure);
        }
    }
}
