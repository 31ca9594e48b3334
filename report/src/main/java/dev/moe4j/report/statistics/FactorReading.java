package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;

/**
 * The speedup factor of two families of models, read at the worse of their best metrics.
 *
 * @param dense the dense family's curve of mean metrics over mean costs
 * @param moe the mixtures' curve
 * @param target the metric at which costs are read
 * @param denseCost dense cost of the target; NaN if the dense family does not enclose it
 * @param moeCost mixture cost of the target; NaN if the mixtures do not enclose it
 */
record FactorReading(CostCurve dense, CostCurve moe, double target, double denseCost, double moeCost) {

    /**
     * The metric and the cost of a factor.
     *
     * @param group the metric's group
     * @param cost the cost
     * @param members texts or tasks whose mean is the metric
     */
    record Axes(QualityMetric.Group group, CostMeasure cost, List<String> members) {

        FactorReading read(List<ModelAtBudget> models) {
            return read(models, -1, 0);
        }

        /**
         * Reads the factor with one model's metric shifted.
         *
         * @param shifted index of the model in {@code models}; −1 for none
         * @param shift amount added to its metric
         */
        FactorReading read(List<ModelAtBudget> models, int shifted, double shift) {
            CostCurve dense = curve(models, true, shifted, shift);
            CostCurve moe = curve(models, false, shifted, shift);
            boolean denseWorse = CostCurve.better(moe.best(), dense.best(), dense.lowerIsBetter());
            double target = denseWorse ? dense.best() : moe.best();
            return new FactorReading(dense, moe, target, dense.costAt(target), moe.costAt(target));
        }

        Axes withMembers(List<String> others) {
            return new Axes(group, cost, others);
        }

        private CostCurve curve(List<ModelAtBudget> models, boolean dense, int shifted, double shift) {
            List<CostCurve.Point> points = new ArrayList<>();
            for (int i = 0; i < models.size(); i++) {
                ModelAtBudget model = models.get(i);
                if (model.isDense() == dense) {
                    points.add(new CostCurve.Point(
                            model.mean(cost::of), model.mean(this::metric) + (i == shifted ? shift : 0)));
                }
            }
            return CostCurve.of(points, group.lowerIsBetter());
        }

        private double metric(TrainedModel seed) {
            double sum = 0;
            for (String member : members) {
                sum += seed.value(group, member);
            }
            return members.isEmpty() ? Double.NaN : sum / members.size();
        }
    }

    double factor() {
        return denseCost / moeCost;
    }

    double logFactor() {
        return Math.log(factor());
    }
}
