package dev.moe4j.report.statistics;

import java.util.List;

/**
 * How a run's loss on one held-out text fell as it spent its budget.
 *
 * <p>Points stand in the order of training and every cost grows strictly from one to the next. All points score the
 * same windows. There is no point before the first step: its cost is zero and has no logarithm.
 *
 * @param points at least one
 */
public record LearningCurve(List<Point> points) {

    /**
     * One evaluation during training.
     *
     * @param step optimizer steps done
     * @param tokens training tokens seen
     * @param flops training FLOPs spent, forward and backward, the router's included
     * @param seconds training time spent, without the evaluations themselves
     * @param heldOut the loss at this point
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
                        "Point " + i + " of the learning curve scored other windows than the point before it");
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

    /** What every point cost, in the unit of {@code cost}. */
    public double[] costs(CostMeasure cost) {
        return points.stream().mapToDouble(cost::of).toArray();
    }

    /** The loss at every point, in nats per token. */
    public double[] losses() {
        return points.stream().mapToDouble(Point::loss).toArray();
    }
}
