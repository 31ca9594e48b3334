package dev.moe4j.study;

/** What training a model took. */
enum Spending {
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

    String label() {
        return label;
    }

    /** {@code 1.48 times fewer FLOPs}. */
    String less(double factor) {
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
