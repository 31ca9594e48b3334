package dev.moe4j.train.config;

/**
 * The learning rate schedule. Configuration keys are these names in snake case under {@code schedule}.
 *
 * @param kind the curve after the warm-up
 * @param convention how the warm-up counts updates: from 1, so that the first update already learns, or from 0 as
 *     published, where the first update only fills the optimizer's moments. The published constant schedule counts from
 *     1 too
 * @param warmup updates over which the rate rises linearly to its peak
 * @param initialFraction the rate at the start of the warm-up, as a fraction of the peak
 * @param endFraction the final rate of {@link Kind#POLYNOMIAL} and {@link Kind#COSINE}, as a fraction of the peak
 * @param power exponent of {@link Kind#POLYNOMIAL}; 1 is a linear decay
 */
public record ScheduleConfig(
        Kind kind, UpdateConvention convention, long warmup, double initialFraction, double endFraction, double power) {

    /** The curve after the warm-up. The first update after the warm-up has the peak rate. */
    public enum Kind {
        /** Constant at the peak, so that learning curves can be compared at any step. */
        CONSTANT,
        /** Polynomial decay to the end fraction, in the share of updates that are left. */
        POLYNOMIAL,
        /** Cosine decay to the end fraction (Loshchilov and Hutter 2017, one cycle). */
        COSINE,
        /** Inverse square root of the update's number (Vaswani et al. 2017), independent of the run's length. */
        INVERSE_SQUARE_ROOT
    }

    /** Linear decay to 0. */
    public static final ScheduleConfig DEFAULT =
            new ScheduleConfig(Kind.POLYNOMIAL, UpdateConvention.PLAIN, 50, 0, 0, 1);

    public ScheduleConfig {
        if (warmup < 0) {
            throw new TrainException("schedule.warmup: " + warmup + " is negative");
        }
        if (warmup == 0 && kind == Kind.INVERSE_SQUARE_ROOT) {
            throw new TrainException("schedule.warmup: 0 is too small for inverse_square_root, which "
                    + "decays from the end of the warm-up; use at least 1");
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

    /** A constant rate after a warm-up. */
    public static ScheduleConfig constant(long warmup) {
        return new ScheduleConfig(Kind.CONSTANT, UpdateConvention.PLAIN, warmup, 0, 0, 1);
    }

    /**
     * The learning rate of an update.
     *
     * @param peak the peak learning rate
     * @param update the update's number, from 1
     * @param updates updates of the complete run
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

    /** The share of the decay that is left after {@code before} updates. */
    private double left(long before, long updates) {
        return before >= updates ? 0 : (double) (updates - before) / (updates - warmup);
    }
}
