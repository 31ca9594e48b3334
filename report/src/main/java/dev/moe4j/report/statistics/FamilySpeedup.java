package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The speedup of the mixtures over the dense models of a study, by one metric and one cost.
 *
 * <p>The target is the best metric that both families reach, which is the worse of their best metrics. The speedup factor
 * is the dense cost of the target divided by the mixtures' cost. Nothing is extrapolated. {@link FactorInterval} computes
 * the interval and {@link Verdict} the verdict.
 *
 * @param metric the metric
 * @param cost the cost
 * @param dense the dense family's curve of mean metrics over mean costs
 * @param moe the mixtures' curve
 * @param curve the speedup factor over the dense cost
 * @param target the metric at which costs are read
 * @param denseCost dense cost of the target; NaN if the dense family does not enclose it
 * @param moeCost mixture cost of the target; NaN if the mixtures do not enclose it
 * @param seeds fewest seeds of any model that decides the factor; 0 without a factor
 * @param interval 95 % interval of the factor; empty without a factor, with one seed, or if the factor is undefined
 *     within the variation of seeds
 */
public record FamilySpeedup(
        QualityMetric metric,
        CostMeasure cost,
        CostCurve dense,
        CostCurve moe,
        SpeedupCurve curve,
        double target,
        double denseCost,
        double moeCost,
        int seeds,
        Optional<Interval> interval) {

    static FamilySpeedup of(QualityMetric metric, CostMeasure cost, List<ModelAtBudget> models) {
        List<ModelAtBudget> evaluated = models.stream()
                .filter(model -> metric.isMean()
                        ? !model.members(metric.group()).isEmpty()
                        : model.members(metric.group()).contains(metric.member()))
                .toList();
        List<String> members = metric.isMean() ? common(metric.group(), evaluated) : List.of(metric.member());
        FactorReading.Axes axes = new FactorReading.Axes(metric.group(), cost, members);
        FactorReading reading = axes.read(evaluated);
        double factor = reading.factor();
        int seeds = Double.isNaN(factor) ? 0 : FactorInterval.seeds(axes, evaluated, factor);
        return new FamilySpeedup(
                metric,
                cost,
                reading.dense(),
                reading.moe(),
                SpeedupCurve.of(reading.dense(), reading.moe()),
                reading.target(),
                reading.denseCost(),
                reading.moeCost(),
                seeds,
                seeds < 2 ? Optional.empty() : FactorInterval.of(axes, evaluated));
    }

    /** Dense cost over mixture cost: above 1 the mixtures need less. NaN without a factor. */
    public double factor() {
        return denseCost / moeCost;
    }

    public Verdict verdict() {
        return Verdict.of(factor(), seeds, interval);
    }

    /** The group's texts or tasks that all models were evaluated on. */
    private static List<String> common(QualityMetric.Group group, List<ModelAtBudget> models) {
        if (models.isEmpty()) {
            return List.of();
        }
        List<String> common = new ArrayList<>(models.getFirst().members(group));
        models.forEach(model -> common.retainAll(model.members(group)));
        return common;
    }
}
