package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Dense models compared with mixtures by one figure and one cost.
 *
 * <p><b>The factor</b> is read at the best figure that both families reach: the target is the worse of their best
 * figures, the factor the dense cost over the mixtures' cost of it. Nothing is extrapolated.
 *
 * <p><b>The interval</b> is {@link FactorInterval}'s, <b>the verdict</b> {@link Verdict}'s.
 *
 * @param dense the family's curve of mean figures over mean costs
 * @param denseCost of the target; NaN if a family does not enclose it
 * @param seeds of the model with the fewest, among those that decide the factor; 0 without a factor
 * @param interval 95 % interval of the factor; empty without a factor, with one seed, and if the factor cannot be read
 *     everywhere within the spread
 */
public record Comparison(
        Figure figure,
        Spending spending,
        CostCurve dense,
        CostCurve moe,
        SpeedupCurve curve,
        double target,
        double denseCost,
        double moeCost,
        int seeds,
        Optional<Interval> interval) {

    static Comparison of(Figure figure, Spending spending, List<Rung> rungs) {
        List<Rung> measured = rungs.stream()
                .filter(rung -> figure.isMean()
                        ? !rung.members(figure.group()).isEmpty()
                        : rung.members(figure.group()).contains(figure.member()))
                .toList();
        List<String> members = figure.isMean() ? common(figure.group(), measured) : List.of(figure.member());
        FactorReading.Axes axes = new FactorReading.Axes(figure.group(), spending, members);
        FactorReading reading = axes.read(measured);
        double factor = reading.factor();
        int seeds = Double.isNaN(factor) ? 0 : FactorInterval.seeds(axes, measured, factor);
        return new Comparison(
                figure,
                spending,
                reading.dense(),
                reading.moe(),
                SpeedupCurve.of(reading.dense(), reading.moe()),
                reading.target(),
                reading.denseCost(),
                reading.moeCost(),
                seeds,
                seeds < 2 ? Optional.empty() : FactorInterval.of(axes, measured));
    }

    public double factor() {
        return denseCost / moeCost;
    }

    public Verdict verdict() {
        return Verdict.of(factor(), seeds, interval);
    }

    /** The members that all models were measured on. */
    private static List<String> common(Figure.Group group, List<Rung> rungs) {
        if (rungs.isEmpty()) {
            return List.of();
        }
        List<String> common = new ArrayList<>(rungs.getFirst().members(group));
        rungs.forEach(rung -> common.retainAll(rung.members(group)));
        return common;
    }
}
