package dev.moe4j.bench;

import dev.moe4j.model.Architecture;
import dev.moe4j.model.Cost;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.MatmulPeak;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.train.BatchConfig;
import dev.moe4j.train.OptimizerConfig;
import dev.moe4j.train.RunConfig;
import dev.moe4j.train.ScheduleConfig;
import dev.moe4j.train.Trainer;
import java.util.List;
import java.util.SplittableRandom;

/** Whole training steps on random tokens, against the matmul peak of the same process. */
public final class StepBenchmark {

    private final Architecture architecture;
    private final int sequences;
    private final Precision precision;
    private final Device device;

    /**
     * What was measured.
     *
     * @param parametersTotal of the model
     * @param parametersActive those that a token passes through
     * @param flopsPerToken useful FLOPs of forward and backward: the chosen experts, attention in full, router, head
     * @param seconds of the fastest step
     * @param tokens in a step
     * @param peak floating-point operations per second of a 1024³ product in the compute type
     * @param lastLoss nats per token
     * @param optimizerMilliseconds the norm and the optimizer, in the mean of the timed steps
     */
    public record Result(
            long parametersTotal,
            long parametersActive,
            double flopsPerToken,
            double seconds,
            long tokens,
            double peak,
            double lastLoss,
            List<SectionTime> sections,
            double optimizerMilliseconds) {

        public double tokensPerSecond() {
            return tokens / seconds;
        }

        /** Useful floating-point operations per second as a share of the peak. */
        public double fractionOfPeak() {
            return flopsPerToken * tokensPerSecond() / peak;
        }
    }

    /** Hears of each step, warm-up included: {@code done} so far and the seconds that it took. */
    @FunctionalInterface
    public interface Progress {
        void step(int done, double seconds);
    }

    /**
     * A benchmark of one model.
     *
     * @param sequences in a step
     */
    public StepBenchmark(Architecture architecture, int sequences, Precision precision, Device device) {
        this.architecture = architecture;
        this.sequences = sequences;
        this.precision = precision;
        this.device = device;
    }

    /**
     * The benchmark of a preset, with the micro-batch that it trains with.
     *
     * @throws dev.moe4j.model.ModelException if there is none of that name
     */
    public static StepBenchmark ofPreset(String name, Precision precision, Device device) {
        RunConfig run = RunConfig.preset(name);
        return new StepBenchmark(run.architecture(), run.batch().microBatch(), precision, device);
    }

    /**
     * Measures.
     *
     * @param warmup steps before the measured ones
     * @param steps measured, of which the fastest counts; at least 1
     */
    public Result run(int warmup, int steps, Progress progress) {
        if (warmup < 0 || steps < 1) {
            throw new IllegalArgumentException("a benchmark needs at least one step");
        }
        double peak = MatmulPeak.measure(precision.compute(), device);
        SplittableRandom random = new SplittableRandom(1);
        int vocabulary = architecture.model().vocabulary();
        Trainer.SequenceSource source = (_, tokens) -> {
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] = random.nextInt(vocabulary);
            }
        };
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, device, new RandomKey(1))) {
            Trainer trainer = new Trainer(
                    model,
                    new BatchConfig(sequences, 1),
                    OptimizerConfig.DEFAULT,
                    ScheduleConfig.DEFAULT,
                    source,
                    1,
                    warmup + steps);
            SectionTimes times = new SectionTimes();
            double best = Double.MAX_VALUE;
            long optimizer = 0;
            double loss = Double.NaN;
            for (int i = 0; i < warmup + steps; i++) {
                if (i == warmup) {
                    trainer.time(times);
                }
                long start = System.nanoTime();
                Trainer.Result result = trainer.step();
                double seconds = (System.nanoTime() - start) / 1e9;
                if (i >= warmup) {
                    best = Math.min(best, seconds);
                    optimizer += result.optimizerNanoseconds();
                    loss = result.loss();
                }
                progress.step(i + 1, seconds);
            }
            peak = Math.max(peak, MatmulPeak.measure(precision.compute(), device));
            Cost cost = Cost.of(architecture);
            return new Result(
                    cost.parametersTotal(),
                    cost.parametersActive(),
                    cost.trainingFlopsPerToken(),
                    best,
                    (long) sequences * architecture.model().context(),
                    peak,
                    loss,
                    times.perStep(steps),
                    optimizer / 1e6 / steps);
        }
    }
}
