package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;

/**
 * The speedup factor of two families of models, read at the worse of their best figures.
 *
 * @param dense the dense family's curve of mean figures over mean costs
 * @param moe the mixtures' curve
 * @param target the figure at which costs are read
 * @param denseCost of the target; NaN if the family does not enclose it
 * @param moeCost likewise
 */
record FactorReading(CostCurve dense, CostCurve moe, double target, double denseCost, double moeCost) {

    /**
     * The figure and the cost that a factor is read by.
     *
     * @param members texts or tasks whose mean is the figure
     */
    record Axes(Figure.Group group, Spending spending, List<String> members) {

        FactorReading read(List<Rung> rungs) {
            return read(rungs, -1, 0);
        }

        /**
         * Reads the factor as if one model's figure were another.
         *
         * @param shifted the model's place among {@code rungs}; −1 for none
         * @param shift added to its figure
         */
        FactorReading read(List<Rung> rungs, int shifted, double shift) {
            CostCurve dense = curve(rungs, true, shifted, shift);
            CostCurve moe = curve(rungs, false, shifted, shift);
            boolean denseWorse = CostCurve.better(moe.best(), dense.best(), dense.lowerIsBetter());
            double target = denseWorse ? dense.best() : moe.best();
            return new FactorReading(dense, moe, target, dense.costAt(target), moe.costAt(target));
        }

        Axes withMembers(List<String> others) {
            return new Axes(group, spending, others);
        }

        private CostCurve curve(List<Rung> rungs, boolean dense, int shifted, double shift) {
            List<CostCurve.Point> points = new ArrayList<>();
            for (int i = 0; i < rungs.size(); i++) {
                Rung rung = rungs.get(i);
                if (rung.isDense() == dense) {
                    points.add(new CostCurve.Point(
                            rung.mean(spending::of), rung.mean(this::figure) + (i == shifted ? shift : 0)));
                }
            }
            return CostCurve.of(points, group.lowerIsBetter());
        }

        private double figure(Trained seed) {
            double sum = 0;
            for (String member : members) {
                sum += seed.of(group, member);
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
