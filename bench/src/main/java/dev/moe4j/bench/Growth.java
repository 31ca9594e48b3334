package dev.moe4j.bench;

import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.ArrayList;
import java.util.List;

/** How a step's time grows with the number of experts and with the length of sequences, at as many tokens a step. */
public final class Growth {

    private final String preset;
    private final Precision precision;
    private final Device device;

    /**
     * One size.
     *
     * @param value the number of experts, or tokens in a sequence
     * @param seconds of the fastest step
     * @param flopsPerToken useful ones of forward and backward
     * @param peak of products, operations per second, in the same round
     */
    public record Point(int value, long tokens, double seconds, double flopsPerToken, double peak) {

        /** Useful floating-point operations per second as a share of the peak. */
        public double fractionOfPeak() {
            return flopsPerToken * tokens / seconds / peak;
        }

        private Point faster(Point other) {
            return seconds <= other.seconds ? this : other;
        }
    }

    /** What was measured, in the order that was asked for. */
    public record Result(List<Point> experts, List<Point> lengths) {}

    public Growth(String preset, Precision precision, Device device) {
        this.preset = preset;
        this.precision = precision;
        this.device = device;
    }

    /**
     * Measures all sizes in turns, so that a machine that changes its speed does so for all; the fastest round of each
     * counts.
     *
     * @param experts numbers of experts
     * @param lengths of sequences, each a divisor of the tokens in a step
     * @param done hears of each size measured
     */
    public Result run(List<Integer> experts, List<Integer> lengths, int rounds, int steps, Runnable done) {
        List<RunConfig> byExperts =
                experts.stream().map(n -> read("model.experts=" + n)).toList();
        List<RunConfig> byLength = lengths.stream().map(this::ofLength).toList();
        List<Point> expertPoints = new ArrayList<>();
        List<Point> lengthPoints = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            measure(byExperts, experts, steps, expertPoints, done);
            measure(byLength, lengths, steps, lengthPoints, done);
        }
        return new Result(expertPoints, lengthPoints);
    }

    private void measure(List<RunConfig> runs, List<Integer> values, int steps, List<Point> best, Runnable done) {
        for (int i = 0; i < runs.size(); i++) {
            StepBenchmark.Result result = new StepBenchmark(runs.get(i), precision, device, ParallelContext.SINGLE)
                    .run(StepBenchmark.LEAST_WARMUP, steps, (_, _) -> {});
            Point point =
                    new Point(values.get(i), result.tokens(), result.seconds(), result.flopsPerToken(), result.peak());
            if (i == best.size()) {
                best.add(point);
            } else {
                best.set(i, best.get(i).faster(point));
            }
            done.run();
        }
    }

    private RunConfig ofLength(int length) {
        RunConfig whole = read();
        long tokens = (long) whole.batch().sequences() * whole.model().context();
        if (length < 1 || tokens % length != 0) {
            throw new BenchException("sequences of " + length + " tokens do not divide the " + tokens + " of a step of "
                    + preset + ": choose other lengths");
        }
        return read("model.context=" + length, "batch.sequences=" + tokens / length);
    }

    private RunConfig read(String... overrides) {
        return RunConfig.read(preset, List.of(overrides));
    }
}
