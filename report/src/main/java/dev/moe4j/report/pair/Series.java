package dev.moe4j.report.pair;

import java.util.ArrayList;
import java.util.List;

/**
 * A quantity over the course of a run.
 *
 * @param points in order; may be empty where nothing was measured
 */
public record Series(List<Point> points) {

    /** One measurement: where on the axis, and how much. */
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

    /** Nothing measured. */
    public static Series empty() {
        return new Series(List.of());
    }

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
