package dev.moe4j.report.statistics;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntToDoubleFunction;
import org.apache.commons.statistics.distribution.TDistribution;

/**
 * A 95 % interval of a study's speedup factor by Student's t.
 *
 * <p>The logarithm of the factor is close to linear in each model's mean figure and mean cost. Its variance is
 * therefore the sum of independent parts:
 *
 * <ul>
 *   <li><b>Seeds</b>, a part for each model: the jackknife, which leaves out one seed at a time and reads the factor
 *       again, (n − 1)/n · Σ (L_i − L̄)², with n − 1 degrees of freedom.
 *   <li><b>Texts</b> of a mean perplexity: the same jackknife, which leaves out one text at a time for all models, since
 *       all models scored the same texts.
 *   <li><b>Questions</b> of accuracies, a part for each model: the factor is read at the model's figure plus and minus
 *       its standard error over questions. All seeds answered the same questions, so more seeds do not shrink this part.
 *       The number of questions stands for infinite degrees of freedom.
 * </ul>
 *
 * <p>A factor is read between two models of one family, at a fraction r of the way. There the variance of the reading
 * is proportional to 1 + r² + (1 − r)², which is 2 at a model and 1.5 halfway. The true place is not known, so the
 * parts of models are multiplied by 4/3: the interval is as wide as at a model wherever the factor was read.
 *
 * <p>The degrees of freedom of the sum are Satterthwaite's (1946), (Σ v)² / Σ (v² / df). {@code FactorIntervalTest}
 * simulates studies without a difference and counts false verdicts.
 */
final class FactorInterval {

    private static final double PROBABILITY = 0.95;

    /** The variance of a reading at a model over that halfway between two. */
    private static final double AT_A_MODEL = 4.0 / 3;

    private final FactorReading.Axes axes;
    private final List<Rung> rungs;
    private double variance;
    private double squaresPerDegree;

    private FactorInterval(FactorReading.Axes axes, List<Rung> rungs) {
        this.axes = axes;
        this.rungs = rungs;
    }

    /**
     * The interval.
     *
     * @param rungs those that decide the factor need at least two seeds each
     * @return empty if the factor cannot be read somewhere within the spread
     */
    static Optional<Interval> of(FactorReading.Axes axes, List<Rung> rungs) {
        FactorInterval interval = new FactorInterval(axes, rungs);
        interval.addSeeds();
        interval.addTexts();
        interval.addQuestions();
        return interval.around(axes.read(rungs).logFactor());
    }

    /**
     * The fewest seeds of a model that decides the factor. A model decides if the factor changes without it.
     *
     * @param factor of all models
     */
    static int seeds(FactorReading.Axes axes, List<Rung> rungs, double factor) {
        int fewest = Integer.MAX_VALUE;
        for (int i = 0; i < rungs.size(); i++) {
            if (axes.read(without(rungs, i)).factor() != factor) {
                fewest = Math.min(fewest, rungs.get(i).seeds().size());
            }
        }
        return fewest == Integer.MAX_VALUE ? 0 : fewest;
    }

    private void addSeeds() {
        for (int i = 0; i < rungs.size(); i++) {
            int rung = i;
            List<Trained> seeds = rungs.get(rung).seeds();
            addJackknife(AT_A_MODEL, seeds.size(), left -> {
                List<Rung> others = new ArrayList<>(rungs);
                others.set(rung, new Rung(without(seeds, left)));
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
                    left -> axes.withMembers(without(texts, left)).read(rungs).logFactor());
        }
    }

    private void addQuestions() {
        for (int i = 0; i < rungs.size(); i++) {
            double error = rungs.get(i).error(axes.group(), axes.members());
            if (error > 0) {
                double half = (axes.read(rungs, i, error).logFactor()
                                - axes.read(rungs, i, -error).logFactor())
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
        // Rounding may put the degrees of a single part just below its own.
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
