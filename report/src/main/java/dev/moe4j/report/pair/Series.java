package dev.moe4j.report.pair;

import java.util.ArrayList;
import java.util.List;

/**
 * A quantity over the course of a run, such as the training loss over tokens.
 *
 * @param points points in order of rising {@code x}; empty if nothing was measured
 */
public record Series(List<Point> points) {

    /** One measurement: {@code x} is the position on the axis, {@code y} the value. */
    public record Point(double x, double y) {
        public Point {
            if (!Double.isFinite(x)) {
                throw new IllegalArgumentException("A series needs finite places on its axis, not " + x);
            }
        }
    }

    public Series {
        points = List.copyOf(points);
        for (int i = 1; i < points.size(); i++) {
            if (!(points.get(i).x > points.get(i - 1).x)) {
                throw new IllegalArgumentException("A series must go forward on its axis, but point " + i + " has "
                        + points.get(i).x + " after " + points.get(i - 1).x);
            }
        }
    }

    /** A series without points. */
    public static Series empty() {
        return new Series(List.of());
    }

    /** Creates a series from arrays of equal length, with rising {@code x}. */
    public static Series of(double[] x, double[] y) {
        if (x.length != y.length) {
            throw new IllegalArgumentException(x.length + " places for " + y.length + " values");
        }
        List<Point> points = new ArrayList<>(x.length);
        for (int i = 0; i < x.length; i++) {
            points.add(new Point(x[i], y[i]));
        }
        return new Series(points);
    }
}
