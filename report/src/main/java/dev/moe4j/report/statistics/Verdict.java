package dev.moe4j.report.statistics;

import java.util.Optional;

/** What a comparison of dense models with mixtures of experts says. */
public enum Verdict {
    /** The mixture needs less for the same figure, and the whole interval over seeds agrees. */
    MIXTURE_PAYS,
    /** The mixture needs more for the same figure, and the whole interval over seeds agrees. */
    DENSE_PAYS,
    /** The interval over seeds contains 1. */
    NO_DIFFERENCE,
    /** There is a factor, but a model that decides it was trained with one seed, so nothing tells it from chance. */
    UNDECIDED_ONE_SEED,
    /** There is a factor and there are seeds, but within their spread the factor cannot be read everywhere. */
    UNDECIDED,
    /** The curves do not enclose the target, so there is no factor. Nothing is extrapolated. */
    NOT_REACHED;

    /**
     * The rule, for the two runs of a quickstart and for the models of a study.
     *
     * @param factor dense cost over mixture cost; NaN if the curves do not enclose the target
     * @param seeds of the model with the fewest, among those that decide the factor
     * @param overSeeds 95 % interval of the factor that covers the seeds
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
