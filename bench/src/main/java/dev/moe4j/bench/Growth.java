package dev.moe4j.bench;

import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.ArrayList;
import java.util.List;

/** Measures how a step's time grows with the number of experts and with the sequence length, at equal tokens per step. */
public final class Growth {

    private final String preset;
    private final Precision precision;
    private final Device device;

    /**
     * One size.
     *
     * @param value the number of experts, or the sequence length
     * @param tokens tokens per step
     * @param seconds time of the fastest step
     * @param flopsPerToken useful FLOPs of forward and backward
     * @param peak FLOP/s of matrix products in the same round
     */
    public record Point(int value, long tokens, double seconds, double flopsPerToken, double peak) {

        /** Useful FLOP/s as a share of the peak. */
        public double fractionOfPeak() {
            return flopsPerToken * tokens / seconds / peak;
        }

        private Point faster(Point other) {
            return seconds <= other.seconds ? this : other;
        }
    }

    /** The measurements, in the order of the arguments. */
    public record Result(List<Point> experts, List<Point> lengths) {}

    public Growth(String preset, Precision precision, Device device) {
        this.preset = preset;
        this.precision = precision;
        this.device = device;
    }

    /**
     * Measures all sizes in each round, so that changes of the machine's speed affect all of them. The fastest round of
     * each size counts.
     *
     * @param experts numbers of experts
     * @param lengths sequence lengths, each a divisor of the tokens per step
     * @param done runs after each size
     * @throws BenchException if a length does not divide the tokens per step
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
                    .run(StepBenchmark.MIN_WARMUP, steps, (_, _) -> {});
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
