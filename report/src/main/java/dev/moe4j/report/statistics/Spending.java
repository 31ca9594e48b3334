package dev.moe4j.report.statistics;

import dev.moe4j.base.text.Numbers;

/** What training a model took. */
public enum Spending {
    /** What the architecture costs, whatever the machine. */
    FLOPS("FLOPs", "fewer FLOPs"),
    SECONDS("time", "less time"),
    JOULES("energy", "less energy");

    private final String label;
    private final String less;

    Spending(String label, String less) {
        this.label = label;
        this.less = less;
    }

    public String label() {
        return label;
    }

    /** {@code 1.48 times fewer FLOPs}. */
    public String less(double factor) {
        return Numbers.fixed(factor, 2) + " times " + less;
    }

    double of(Trained trained) {
        return switch (this) {
            case FLOPS -> trained.flops();
            case SECONDS -> trained.seconds();
            case JOULES -> trained.joules();
        };
    }

    String format(double amount) {
        return switch (this) {
            case FLOPS -> Numbers.si(amount) + "FLOP";
            case SECONDS -> Numbers.significant(amount, 3) + " s";
            case JOULES -> Numbers.si(amount) + "J";
        };
    }
}
