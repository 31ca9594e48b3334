package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * The speedup factor over the dense cost: the cost of a dense model divided by the cost of a mixture with the same metric.
 * The curve covers the metric values that both families enclose.
 *
 * @param samples samples in order of rising dense cost; empty if the families' metrics do not overlap
 */
public record SpeedupCurve(List<Sample> samples) {

    /** Number of samples, evenly spaced in the logarithm of the cost. */
    private static final int SAMPLES = 120;

    /**
     * One sample of the curve.
     *
     * @param denseCost dense cost, in the unit of the cost curves
     * @param metric the metric that both families reach
     * @param speedup dense cost over mixture cost
     * @param knot whether the sample is at a model of either family
     */
    public record Sample(double denseCost, double metric, double speedup, boolean knot) {}

    public SpeedupCurve {
        samples = List.copyOf(samples);
    }

    /** Samples the curve at all models and evenly between them. */
    public static SpeedupCurve of(CostCurve dense, CostCurve moe) {
        TreeSet<Double> knots = new TreeSet<>();
        dense.points().stream()
                .filter(point -> !Double.isNaN(moe.costAt(point.metric())))
                .forEach(point -> knots.add(point.cost()));
        moe.points().stream()
                .map(point -> dense.costAt(point.metric()))
                .filter(cost -> !cost.isNaN())
                .forEach(knots::add);
        if (knots.isEmpty()) {
            return new SpeedupCurve(List.of());
        }
        TreeSet<Double> costs = new TreeSet<>(knots);
        double from = Math.log(knots.first());
        double width = Math.log(knots.last()) - from;
        for (int i = 1; i < SAMPLES - 1; i++) {
            costs.add(Math.exp(from + width * i / (SAMPLES - 1)));
        }
        List<Sample> samples = new ArrayList<>();
        for (double cost : costs) {
            double metric = dense.metricAt(cost);
            double other = moe.costAt(metric);
            if (Double.isNaN(other) && knots.contains(cost)) {
                // At a mixture model, rounding may put the metric just beyond the end of the mixtures' curve.
                metric = nearestMetric(moe, metric);
                other = moe.costAt(metric);
            }
            if (!Double.isNaN(other)) {
                samples.add(new Sample(cost, metric, cost / other, knots.contains(cost)));
            }
        }
        return new SpeedupCurve(samples);
    }

    private static double nearestMetric(CostCurve curve, double metric) {
        double best = Double.NaN;
        for (CostCurve.Point point : curve.points()) {
            if (Double.isNaN(best) || Math.abs(point.metric() - metric) < Math.abs(best - metric)) {
                best = point.metric();
            }
        }
        return best;
    }
}
