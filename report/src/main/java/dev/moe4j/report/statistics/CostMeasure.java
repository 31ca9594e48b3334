package dev.moe4j.report.statistics;

import dev.moe4j.base.text.Numbers;

/** A measure of training cost. */
public enum CostMeasure {
    /** Training FLOPs of the architecture, independent of the machine. */
    FLOPS("FLOPs", "fewer FLOPs"),
    /** Training seconds on this machine with this software. */
    SECONDS("time", "less time"),
    /** Training energy in joules, measured or assumed. */
    JOULES("energy", "less energy");

    private final String label;
    private final String less;

    CostMeasure(String label, String less) {
        this.label = label;
        this.less = less;
    }

    /** The name in running text. */
    public String label() {
        return label;
    }

    /** Describes a saving by a factor, such as {@code 1.48 times fewer FLOPs}. */
    public String less(double factor) {
        return Numbers.fixed(factor, 2) + " times " + less;
    }

    /**
     * The cost up to a point of a learning curve.
     *
     * @throws IllegalArgumentException for {@link #JOULES}, which learning curves do not record
     */
    public double of(LearningCurve.Point point) {
        return switch (this) {
            case FLOPS -> point.flops();
            case SECONDS -> point.seconds();
            case JOULES -> throw new IllegalArgumentException("A learning curve does not record energy");
        };
    }

    /** The cost of a complete training run. */
    double of(TrainedModel model) {
        return switch (this) {
            case FLOPS -> model.flops();
            case SECONDS -> model.seconds();
            case JOULES -> model.joules();
        };
    }

    /** An amount with its unit and three significant digits, such as {@code 35.9 TFLOP} or {@code 230 s}. */
    public String format(double amount) {
        return switch (this) {
            case FLOPS -> Numbers.si(amount) + "FLOP";
            case SECONDS -> Numbers.significant(amount, 3) + " s";
            case JOULES -> Numbers.si(amount) + "J";
        };
    }
}
