package dev.moe4j.report.statistics;

/** A 95 % interval, both ends included. The record that holds it documents the source of the variation. */
public record Interval(double low, double high) {
    public Interval {
        if (!(low <= high)) {
            throw new IllegalArgumentException("An interval's ends must be in order, not " + low + " and " + high);
        }
    }

    public boolean contains(double value) {
        return low <= value && value <= high;
    }
}
