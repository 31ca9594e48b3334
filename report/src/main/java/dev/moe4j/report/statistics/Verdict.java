package dev.moe4j.report.statistics;

import java.util.Optional;

/** The outcome of a comparison of dense models with mixtures of experts. */
public enum Verdict {
    /** The mixture needs less for the same metric: the interval over seeds lies above a factor of 1. */
    MIXTURE_PAYS,
    /** The mixture needs more for the same metric: the interval over seeds lies below a factor of 1. */
    DENSE_PAYS,
    /** The interval over seeds contains 1. */
    NO_DIFFERENCE,
    /** There is a factor, but it depends on a model with a single seed, so it may be chance. */
    UNDECIDED_ONE_SEED,
    /** There is a factor and several seeds, but within their variation the factor is not always defined. */
    UNDECIDED,
    /** The curves do not enclose the target, so there is no factor. */
    NOT_REACHED;

    /**
     * Applies the rule, for the two runs of a quickstart as for the models of a study.
     *
     * @param factor dense cost over mixture cost; NaN if the curves do not enclose the target
     * @param seeds fewest seeds of any model that decides the factor
     * @param overSeeds 95 % interval of the factor over seeds; empty if there is none
     */
    public static Verdict of(double factor, int seeds, Optional<Interval> overSeeds) {
        if (Double.isNaN(factor)) {
            return NOT_REACHED;
        }
        if (seeds < 2) {
            return UNDECIDED_ONE_SEED;
        }
        if (overSeeds.isEmpty()) {
            return UNDECIDED;
        }
        if (overSeeds.get().contains(1)) {
            return NO_DIFFERENCE;
        }
        return factor > 1 ? MIXTURE_PAYS : DENSE_PAYS;
    }

    /** The verdict in a few words. */
    public String words() {
        return switch (this) {
            case MIXTURE_PAYS -> "mixture pays";
            case DENSE_PAYS -> "dense pays";
            case NO_DIFFERENCE -> "no difference shown";
            case UNDECIDED_ONE_SEED -> "undecided: one seed";
            case UNDECIDED -> "undecided: no interval";
            case NOT_REACHED -> "not reached";
        };
    }
}
