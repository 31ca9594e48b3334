package dev.moe4j.study;

/** What a comparison of a dense model with a mixture of experts says. */
public enum Verdict {
    /** The mixture needs less for the same loss, and the whole interval agrees. */
    MIXTURE_PAYS,
    /** The mixture needs more for the same loss, and the whole interval agrees. */
    DENSE_PAYS,
    /** The interval contains 1: this run can show no difference. */
    NO_DIFFERENCE,
    /** The curves do not cover the target loss, so there is no factor; none is extrapolated. */
    NOT_REACHED
}
