package dev.moe4j.eval.statistics;

/**
 * Wilson's score interval of a proportion (Wilson 1927). Its width is positive even if all answers are the same, where
 * every bootstrap draw gives the same value.
 */
public final class Wilson {

    /** The normal distribution's 97.5 % quantile. */
    private static final double Z = 1.959963984540054;

    private Wilson() {}

    /**
     * The 95 % confidence interval: lower bound, upper bound.
     *
     * @param share the proportion, from 0 to 1
     * @param questions number of answers, at least 1
     */
    public static double[] interval(double share, int questions) {
        double perQuestion = Z * Z / questions;
        double middle = (share + perQuestion / 2) / (1 + perQuestion);
        double half = Z / (1 + perQuestion) * Math.sqrt((share * (1 - share) + perQuestion / 4) / questions);
        return new double[] {Math.max(0, middle - half), Math.min(1, middle + half)};
    }
}
