package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The best metric value that a family of models reaches at each cost.
 *
 * <p>The curve follows the published study's rule. Between neighbouring models the logarithm of the cost is linear in the
 * metric: {@code c(t) = exp[ln c_lo + r·(ln c_hi − ln c_lo)]} with {@code r = (t − t_lo) / (t_hi − t_lo)}. Nothing is
 * extrapolated beyond the family's models. A model that is not better than a cheaper model is left out.
 *
 * @param points points in order of rising cost, each with a better metric than the point before
 * @param lowerIsBetter whether a lower metric is better
 */
public record CostCurve(List<Point> points, boolean lowerIsBetter) {

    /** One model: its cost and its metric. */
    public record Point(double cost, double metric) {}

    public CostCurve {
        points = List.copyOf(points);
    }

    /** Builds the curve from models in any order. Models without a finite cost and metric are ignored. */
    public static CostCurve of(List<Point> models, boolean lowerIsBetter) {
        List<Point> best = new ArrayList<>();
        models.stream()
                .filter(point -> Double.isFinite(point.cost) && Double.isFinite(point.metric) && point.cost > 0)
                .sorted(Comparator.comparingDouble(Point::cost)
                        .thenComparingDouble(point -> lowerIsBetter ? point.metric : -point.metric))
                .forEach(point -> {
                    if (best.isEmpty() || better(point.metric, best.getLast().metric, lowerIsBetter)) {
                        best.add(point);
                    }
                });
        return new CostCurve(best, lowerIsBetter);
    }

    static boolean better(double metric, double other, boolean lowerIsBetter) {
        return lowerIsBetter ? metric < other : metric > other;
    }

    /** The cost of a metric value; NaN if the models do not enclose it. */
    public double costAt(double metric) {
        for (int i = 0; i < points.size(); i++) {
            Point high = points.get(i);
            if (high.metric == metric) {
                return high.cost;
            }
            if (i > 0 && between(points.get(i - 1).metric, metric, high.metric)) {
                Point low = points.get(i - 1);
                double r = (metric - low.metric) / (high.metric - low.metric);
                return Math.exp(Math.log(low.cost) + r * (Math.log(high.cost) - Math.log(low.cost)));
            }
        }
        return Double.NaN;
    }

    /** The metric at a cost, by the same interpolation; NaN if the models do not enclose it. */
    public double metricAt(double cost) {
        for (int i = 0; i < points.size(); i++) {
            Point high = points.get(i);
            if (high.cost == cost) {
                return high.metric;
            }
            if (i > 0 && between(points.get(i - 1).cost, cost, high.cost)) {
                Point low = points.get(i - 1);
                double r = Math.log(cost / low.cost) / Math.log(high.cost / low.cost);
                return low.metric + r * (high.metric - low.metric);
            }
        }
        return Double.NaN;
    }

    private static boolean between(double a, double value, double b) {
        return Math.min(a, b) < value && value < Math.max(a, b);
    }

    /** The best metric; NaN without models. */
    public double best() {
        return points.isEmpty() ? Double.NaN : points.getLast().metric;
    }

    /** The worst metric on the curve; NaN without models. */
    double worst() {
        return points.isEmpty() ? Double.NaN : points.getFirst().metric;
    }
}
