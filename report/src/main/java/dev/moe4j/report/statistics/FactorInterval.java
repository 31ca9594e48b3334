package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntToDoubleFunction;
import org.apache.commons.statistics.distribution.TDistribution;

/**
 * Computes a 95 % confidence interval of a study's speedup factor with Student's t.
 *
 * <p>The logarithm of the factor is close to linear in each model's mean metric and mean cost. So its variance is the sum
 * of independent parts:
 *
 * <ul>
 *   <li><b>Seeds</b>, one part per model. The jackknife leaves out one seed at a time and reads the factor again. The
 *       part is (n − 1)/n · Σ (L_i − L̄)², with n − 1 degrees of freedom.
 *   <li><b>Texts</b> of a mean perplexity. The same jackknife leaves out one text at a time for all models, because all
 *       models scored the same texts.
 *   <li><b>Questions</b> of accuracies, one part per model. The factor is read at the model's metric plus and minus its
 *       standard error over questions. All seeds answered the same questions, so more seeds do not shrink this part. Its
 *       degrees of freedom count as infinite, since tasks have many questions.
 * </ul>
 *
 * <p>A factor is read between two models of one family, at a fraction r of the distance. The variance of the reading is
 * proportional to 1 + r² + (1 − r)², which is 2 at a model and 1.5 halfway. The true r is unknown. So the parts of models
 * are multiplied by 4/3, which makes every interval as wide as at a model.
 *
 * <p>The degrees of freedom of the sum follow Satterthwaite (1946): (Σ v)² / Σ (v² / df). {@code FactorIntervalTest}
 * simulates studies without a difference and counts false verdicts.
 */
final class FactorInterval {

    private static final double PROBABILITY = 0.95;

    /** Variance of a reading at a model, divided by the variance halfway between two models. */
    private static final double AT_A_MODEL = 4.0 / 3;

    private final FactorReading.Axes axes;
    private final List<ModelAtBudget> models;
    private double variance;
    private double squaresPerDegree;

    private FactorInterval(FactorReading.Axes axes, List<ModelAtBudget> models) {
        this.axes = axes;
        this.models = models;
    }

    /**
     * Computes the interval.
     *
     * @param axes the metric and the cost
     * @param models the models; those that decide the factor need at least two seeds each
     * @return empty if the factor is undefined for some of the resampled models
     */
    static Optional<Interval> of(FactorReading.Axes axes, List<ModelAtBudget> models) {
        FactorInterval interval = new FactorInterval(axes, models);
        interval.addSeeds();
        interval.addTexts();
        interval.addQuestions();
        return interval.around(axes.read(models).logFactor());
    }

    /**
     * The fewest seeds of any model that decides the factor. A model decides the factor if the factor changes without it.
     *
     * @param factor the factor of all models
     */
    static int seeds(FactorReading.Axes axes, List<ModelAtBudget> models, double factor) {
        int fewest = Integer.MAX_VALUE;
        for (int i = 0; i < models.size(); i++) {
            if (axes.read(without(models, i)).factor() != factor) {
                fewest = Math.min(fewest, models.get(i).seeds().size());
            }
        }
        return fewest == Integer.MAX_VALUE ? 0 : fewest;
    }

    private void addSeeds() {
        for (int i = 0; i < models.size(); i++) {
            int model = i;
            List<TrainedModel> seeds = models.get(model).seeds();
            addJackknife(AT_A_MODEL, seeds.size(), left -> {
                List<ModelAtBudget> others = new ArrayList<>(models);
                others.set(model, new ModelAtBudget(without(seeds, left)));
                return axes.read(others).logFactor();
            });
        }
    }

    private void addTexts() {
        if (axes.group().lowerIsBetter()) {
            List<String> texts = axes.members();
            addJackknife(
                    1,
                    texts.size(),
                    left -> axes.withMembers(without(texts, left)).read(models).logFactor());
        }
    }

    private void addQuestions() {
        for (int i = 0; i < models.size(); i++) {
            double error = models.get(i).standardError(axes.group(), axes.members());
            if (error > 0) {
                double half = (axes.read(models, i, error).logFactor()
                                - axes.read(models, i, -error).logFactor())
                        / 2;
                add(AT_A_MODEL * half * half, Double.POSITIVE_INFINITY);
            }
        }
    }

    private void addJackknife(double times, int count, IntToDoubleFunction logFactorWithout) {
        if (count < 2) {
            return;
        }
        double[] values = new double[count];
        double mean = 0;
        for (int i = 0; i < count; i++) {
            values[i] = logFactorWithout.applyAsDouble(i);
            mean += values[i] / count;
        }
        double squares = 0;
        for (double value : values) {
            squares += (value - mean) * (value - mean);
        }
        add(times * squares * (count - 1) / count, count - 1);
    }

    private void add(double part, double degrees) {
        variance += part;
        squaresPerDegree += part * part / degrees;
    }

    private Optional<Interval> around(double logFactor) {
        if (Double.isNaN(variance + logFactor)) {
            return Optional.empty();
        }
        double degrees = squaresPerDegree == 0 ? Double.POSITIVE_INFINITY : variance * variance / squaresPerDegree;
        // With a single part, rounding may give slightly less than its degrees of freedom.
        double half = TDistribution.of(Math.max(1, degrees)).inverseSurvivalProbability((1 - PROBABILITY) / 2)
                * Math.sqrt(variance);
        return Optional.of(new Interval(Math.exp(logFactor - half), Math.exp(logFactor + half)));
    }

    private static <T> List<T> without(List<T> all, int index) {
        List<T> others = new ArrayList<>(all);
        others.remove(index);
        return others;
    }
}
