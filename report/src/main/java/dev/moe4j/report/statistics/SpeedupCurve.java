package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * How many times more a dense model costs than a mixture that is as good, over the dense cost. Only where both families
 * enclose the figure.
 *
 * @param samples with growing dense costs; empty where the families have no figure in common
 */
public record SpeedupCurve(List<Sample> samples) {

    /** Samples between the knots, evenly spread in the logarithm of the cost. */
    private static final int SAMPLES = 120;

    /**
     * One reading.
     *
     * @param denseCost in the unit of the curves
     * @param figure that both families have there
     * @param speedup dense cost over mixture's cost
     * @param knot whether a model of either family stands here
     */
    public record Sample(double denseCost, double figure, double speedup, boolean knot) {}

    public SpeedupCurve {
        samples = List.copyOf(samples);
    }

    public static SpeedupCurve of(CostCurve dense, CostCurve moe) {
        TreeSet<Double> knots = new TreeSet<>();
        dense.points().stream()
                .filter(point -> !Double.isNaN(moe.costAt(point.figure())))
                .forEach(point -> knots.add(point.cost()));
        moe.points().stream()
                .map(point -> dense.costAt(point.figure()))
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
            double figure = dense.figureAt(cost);
            double other = moe.costAt(figure);
            if (Double.isNaN(other) && knots.contains(cost)) {
                // A knot of the mixture's: rounding may put its figure beside the curve's very end.
                figure = nearestFigure(moe, figure);
                other = moe.costAt(figure);
            }
            if (!Double.isNaN(other)) {
                samples.add(new Sample(cost, figure, cost / other, knots.contains(cost)));
            }
        }
        return new SpeedupCurve(samples);
    }

    private static double nearestFigure(CostCurve curve, double figure) {
        double best = Double.NaN;
        for (CostCurve.Point point : curve.points()) {
            if (Double.isNaN(best) || Math.abs(point.figure() - figure) < Math.abs(best - figure)) {
                best = point.figure();
            }
        }
        return best;
    }
}
