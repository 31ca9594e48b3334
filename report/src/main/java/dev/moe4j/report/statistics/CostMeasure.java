package dev.moe4j.report.statistics;

import dev.moe4j.base.text.Numbers;

/** What a training run spends. */
public enum CostMeasure {
    /** Training FLOPs: what the architecture costs, whatever the machine. */
    FLOPS("FLOPs"),
    /** Seconds on the machine at hand: what the architecture costs here, with this software. */
    SECONDS("time");

    private final String label;

    CostMeasure(String label) {
        this.label = label;
    }

    /** The name in running text. */
    public String label() {
        return label;
    }

    /** {@code 1.48 times fewer FLOPs}. */
    public String less(double factor) {
        return Numbers.fixed(factor, 2) + " times " + (this == FLOPS ? "fewer FLOPs" : "less time");
    }

    public double of(LearningCurve.Point point) {
        return switch (this) {
            case FLOPS -> point.flops();
            case SECONDS -> point.seconds();
        };
    }

    /** An amount with its unit and three significant digits, such as {@code 35.9 TFLOP} or {@code 230 s}. */
    public String format(double amount) {
        return switch (this) {
            case FLOPS -> Numbers.si(amount) + "FLOP";
            case SECONDS -> Numbers.significant(amount, 3) + " s";
        };
    }
}
