package dev.moe4j.report.statistics;

import java.util.List;

/**
 * A run's held-out loss over its training cost.
 *
 * <p>Points are in the order of training, and every cost grows strictly from point to point. All points score the same
 * windows. There is no point before the first step, since a cost of zero has no logarithm.
 *
 * @param points the evaluations, at least one
 */
public record LearningCurve(List<Point> points) {

    /**
     * One evaluation during training.
     *
     * @param step optimizer steps so far
     * @param tokens training tokens so far
     * @param flops training FLOPs so far, forward and backward, router included
     * @param seconds training time so far, without evaluations
     * @param heldOut the held-out loss at this point
     */
    public record Point(long step, long tokens, double flops, double seconds, HeldOutLoss heldOut) {
        public Point {
            require(step > 0, "step", step);
            require(tokens > 0, "tokens", tokens);
            require(flops > 0 && Double.isFinite(flops), "flops", flops);
            require(seconds > 0 && Double.isFinite(seconds), "seconds", seconds);
        }

        /** Held-out loss in nats per token. */
        public double loss() {
            return heldOut.mean();
        }

        private static void require(boolean positive, String name, Number value) {
            if (!positive) {
                throw new IllegalArgumentException("A learning curve's " + name + " must be positive, not " + value);
            }
        }
    }

    public LearningCurve {
        points = List.copyOf(points);
        if (points.isEmpty()) {
            throw new IllegalArgumentException("A learning curve needs at least one point");
        }
        for (int i = 1; i < points.size(); i++) {
            Point before = points.get(i - 1);
            Point point = points.get(i);
            requireGrowth(i, "step", before.step, point.step);
            requireGrowth(i, "tokens", before.tokens, point.tokens);
            requireGrowth(i, "flops", before.flops, point.flops);
            requireGrowth(i, "seconds", before.seconds, point.seconds);
            if (!point.heldOut.sameWindowsAs(before.heldOut)) {
                throw new IllegalArgumentException(
                        "Point " + i + " of the learning curve scored other windows than the point before");
            }
        }
    }

    private static <T extends Comparable<T>> void requireGrowth(int index, String name, T before, T value) {
        if (value.compareTo(before) <= 0) {
            throw new IllegalArgumentException("A learning curve's " + name
                    + " must grow from point to point, but point " + index + " has " + value + " after " + before);
        }
    }

    public Point first() {
        return points.getFirst();
    }

    public Point last() {
        return points.getLast();
    }

    /** The cost of each point, in the unit of {@code cost}. */
    public double[] costs(CostMeasure cost) {
        return points.stream().mapToDouble(cost::of).toArray();
    }

    /** The loss at each point, in nats per token. */
    public double[] losses() {
        return points.stream().mapToDouble(Point::loss).toArray();
    }
}
