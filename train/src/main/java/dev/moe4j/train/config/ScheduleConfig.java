package dev.moe4j.train.config;

/**
 * How the learning rate changes. Configuration keys are these names in snake case under {@code schedule}.
 *
 * @param kind what happens after the warm-up
 * @param convention how updates count in the warm-up: from 1, so that the first one already learns, or from 0 as
 *     published, where it only fills the optimizer's moments; the published constant schedule counts from 1 too
 * @param warmup updates over which the rate rises linearly to its peak
 * @param initialFraction where the warm-up starts, as a fraction of the peak
 * @param endFraction what {@link Kind#POLYNOMIAL} and {@link Kind#COSINE} end at, as a fraction of the peak
 * @param power of {@link Kind#POLYNOMIAL}: 1 falls linearly
 */
public record ScheduleConfig(
        Kind kind, UpdateConvention convention, long warmup, double initialFraction, double endFraction, double power) {

    /** What happens after the warm-up. The rate is at its peak in the first update after it. */
    public enum Kind {
        /** The peak throughout: what learning curves are compared along. */
        CONSTANT,
        /** Down to the end fraction as a power of the share of updates that are left. */
        POLYNOMIAL,
        /** Down to the end fraction along half a cosine (Loshchilov and Hutter 2017, one cycle). */
        COSINE,
        /** As one over the root of the update's number (Vaswani et al. 2017), whatever the run's length. */
        INVERSE_SQUARE_ROOT
    }

    /** Linear down to 0. */
    public static final ScheduleConfig DEFAULT =
            new ScheduleConfig(Kind.POLYNOMIAL, UpdateConvention.PLAIN, 50, 0, 0, 1);

    public ScheduleConfig {
        if (warmup < 0) {
            throw new TrainException("schedule.warmup: " + warmup + " is negative");
        }
        if (warmup == 0 && kind == Kind.INVERSE_SQUARE_ROOT) {
            throw new TrainException("schedule.warmup: 0 is too small for inverse_square_root, which falls from its "
                    + "last update on; use at least 1");
        }
        checkFraction("initial_fraction", initialFraction);
        checkFraction("end_fraction", endFraction);
        if (!(power > 0)) {
            throw new TrainException("schedule.power: " + power + " is not above 0");
        }
    }

    private static void checkFraction(String key, double value) {
        if (!(value >= 0 && value <= 1)) {
            throw new TrainException("schedule." + key + ": " + value + " is not between 0 and 1");
        }
    }

    /** The peak throughout, after a warm-up of so many updates. */
    public static ScheduleConfig constant(long warmup) {
        return new ScheduleConfig(Kind.CONSTANT, UpdateConvention.PLAIN, warmup, 0, 0, 1);
    }

    /**
     * The learning rate of an update.
     *
     * @param update its number, from 1 on
     * @param updates of the whole run
     */
    public double rate(double peak, long update, long updates) {
        long before = update - 1;
        if (before < warmup) {
            boolean fromZero = convention == UpdateConvention.PUBLISHED && kind != Kind.CONSTANT;
            double risen = (double) (fromZero ? before : update) / warmup;
            return peak * (initialFraction + (1 - initialFraction) * risen);
        }
        return peak
                * switch (kind) {
                    case CONSTANT -> 1;
                    case POLYNOMIAL -> endFraction + (1 - endFraction) * Math.pow(left(before, updates), power);
                    case COSINE ->
                        endFraction + (1 - endFraction) * (1 - Math.cos(Math.PI * left(before, updates))) / 2;
                    case INVERSE_SQUARE_ROOT -> Math.sqrt((double) warmup / before);
                };
    }

    /** The share of the decay that is still to come after so many updates. */
    private double left(long before, long updates) {
        return before >= updates ? 0 : (double) (updates - before) / (updates - warmup);
    }
}
