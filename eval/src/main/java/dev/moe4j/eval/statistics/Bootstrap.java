package dev.moe4j.eval.statistics;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * Computes 95 % confidence intervals with the stratified bootstrap (Efron and Tibshirani 1993). Each draw resamples the
 * items of every stratum with replacement. The 2.5th and 97.5th percentiles over the draws bound the interval.
 */
public final class Bootstrap {

    static final int DRAWS = 1000;
    private static final double TAIL = 0.025;

    private Bootstrap() {}

    /**
     * Returns the lower and upper bound of each statistic.
     *
     * @param strata the stratum of each item, in the order of the items
     * @param figures computes the statistics, by name, of a list of items
     */
    public static <T> Map<String, double[]> intervals(
            List<T> items, List<String> strata, Function<List<T>, Map<String, Double>> figures, long seed) {
        Map<String, List<T>> parts = new TreeMap<>();
        for (int i = 0; i < items.size(); i++) {
            parts.computeIfAbsent(strata.get(i), _ -> new ArrayList<>()).add(items.get(i));
        }
        SplittableRandom random = new SplittableRandom(seed);
        Map<String, double[]> values = new LinkedHashMap<>();
        for (int draw = 0; draw < DRAWS; draw++) {
            List<T> drawn = new ArrayList<>(items.size());
            for (List<T> part : parts.values()) {
                for (int i = 0; i < part.size(); i++) {
                    drawn.add(part.get(random.nextInt(part.size())));
                }
            }
            int number = draw;
            figures.apply(drawn)
                    .forEach((name, value) -> values.computeIfAbsent(name, _ -> new double[DRAWS])[number] = value);
        }
        Map<String, double[]> intervals = new LinkedHashMap<>();
        values.forEach((name, sample) -> {
            Arrays.sort(sample);
            intervals.put(name, new double[] {percentile(sample, TAIL), percentile(sample, 1 - TAIL)});
        });
        return intervals;
    }

    /** The percentile with linear interpolation between neighbours. */
    private static double percentile(double[] sorted, double share) {
        double place = share * (sorted.length - 1);
        int below = (int) place;
        int above = Math.min(below + 1, sorted.length - 1);
        return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
    }
}
