package dev.moe4j.train;

/**
 * How the learning rate changes. Configuration keys are these names in snake case under {@code schedule}.
 *
 * @param kind what happens after the warm-up
 * @param warmup updates over which the rate rises linearly to its peak
 * @param endFraction what {@link Kind#LINEAR} ends at, as a fraction of the peak
 */
public record ScheduleConfig(Kind kind, long warmup, double endFraction) {

    /** What happens after the warm-up. */
    public enum Kind {
        /** The peak throughout: what learning curves are compared along. */
        CONSTANT,
        /** Down to the end fraction at the last step. */
        LINEAR
    }

    public static final ScheduleConfig DEFAULT = new ScheduleConfig(Kind.LINEAR, 50, 0);

    public ScheduleConfig {
        if (warmup < 0) {
            throw new TrainException("schedule.warmup: " + warmup + " is negative");
        }
        if (!(endFraction >= 0 && endFraction <= 1)) {
            throw new TrainException("schedule.end_fraction: " + endFraction + " is not between 0 and 1");
        }
    }

    /**
     * The learning rate of an update.
     *
     * @param update its number, from 1 on; the first already has a rate above 0
     * @param updates of the whole run
     */
    public double rate(double peak, long update, long updates) {
        if (update <= warmup) {
            return peak * update / warmup;
        }
        if (kind == Kind.CONSTANT || updates <= warmup) {
            return peak;
        }
        double left = Math.max(0, (double) (updates - update + 1) / (updates - warmup));
        return peak * (endFraction + (1 - endFraction) * left);
    }
}
