package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What a family of models achieves at what cost, by the study's rule: between neighbouring models the logarithm of the
 * cost is linear in the figure, {@code c(t) = exp[ln c_lo + r·(ln c_hi − ln c_lo)]} with {@code r = (t − t_lo) / (t_hi −
 * t_lo)}. Outside of the family's figures there is no cost.
 *
 * <p>A model that is no better than a cheaper one is left out: what a family achieves at a cost is the best that can be
 * had for it.
 *
 * @param points with growing costs, each better than the one before
 */
public record CostCurve(List<Point> points, boolean lowerIsBetter) {

    /** A model. */
    public record Point(double cost, double figure) {}

    public CostCurve {
        points = List.copyOf(points);
    }

    /** The curve of models in any order. */
    public static CostCurve of(List<Point> models, boolean lowerIsBetter) {
        List<Point> best = new ArrayList<>();
        models.stream()
                .filter(point -> Double.isFinite(point.cost) && Double.isFinite(point.figure) && point.cost > 0)
                .sorted(Comparator.comparingDouble(Point::cost)
                        .thenComparingDouble(point -> lowerIsBetter ? point.figure : -point.figure))
                .forEach(point -> {
                    if (best.isEmpty() || better(point.figure, best.getLast().figure, lowerIsBetter)) {
                        best.add(point);
                    }
                });
        return new CostCurve(best, lowerIsBetter);
    }

    static boolean better(double figure, double other, boolean lowerIsBetter) {
        return lowerIsBetter ? figure < other : figure > other;
    }

    /** The cost of a figure; NaN where the models do not enclose it. */
    public double costAt(double figure) {
        for (int i = 0; i < points.size(); i++) {
            Point high = points.get(i);
            if (high.figure == figure) {
                return high.cost;
            }
            if (i > 0 && between(points.get(i - 1).figure, figure, high.figure)) {
                Point low = points.get(i - 1);
                double r = (figure - low.figure) / (high.figure - low.figure);
                return Math.exp(Math.log(low.cost) + r * (Math.log(high.cost) - Math.log(low.cost)));
            }
        }
        return Double.NaN;
    }

    /** The figure at a cost, by the same interpolation; NaN outside of the models' costs. */
    public double figureAt(double cost) {
        for (int i = 0; i < points.size(); i++) {
            Point high = points.get(i);
            if (high.cost == cost) {
                return high.figure;
            }
            if (i > 0 && between(points.get(i - 1).cost, cost, high.cost)) {
                Point low = points.get(i - 1);
                double r = Math.log(cost / low.cost) / Math.log(high.cost / low.cost);
                return low.figure + r * (high.figure - low.figure);
            }
        }
        return Double.NaN;
    }

    private static boolean between(double a, double value, double b) {
        return Math.min(a, b) < value && value < Math.max(a, b);
    }

    /** The best figure; NaN where there is no model. */
    public double best() {
        return points.isEmpty() ? Double.NaN : points.getLast().figure;
    }

    /** The worst figure on the curve; NaN where there is no model. */
    double worst() {
        return points.isEmpty() ? Double.NaN : points.getFirst().figure;
    }
}
