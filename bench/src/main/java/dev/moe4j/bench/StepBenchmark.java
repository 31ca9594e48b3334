package dev.moe4j.bench;

import dev.moe4j.model.Architecture;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.MatmulPeak;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.train.BatchConfig;
import dev.moe4j.train.OptimizerConfig;
import dev.moe4j.train.ScheduleConfig;
import dev.moe4j.train.Trainer;
import java.util.List;
import java.util.SplittableRandom;

/** Whole training steps on random tokens, against the matmul peak of the same process. */
public final class StepBenchmark {

    private StepBenchmark() {}

    /**
     * @param seconds of the fastest step
     * @param peak floating-point operations per second of a 1024³ product in the compute type
     * @param optimizerMilliseconds the norm and the optimizer, in the mean of the measured steps
     */
    public record Result(
            double seconds,
            long tokens,
            double peak,
            double lastLoss,
            List<SectionTimes.SectionTime> sections,
            double optimizerMilliseconds) {

        public double tokensPerSecond() {
            return tokens / seconds;
        }
    }

    /**
     * @param warmup steps before the measured ones
     * @param steps measured, of which the fastest counts
     */
    public static Result run(
            Architecture architecture, int sequences, Precision precision, Device device, int warmup, int steps) {
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
            for (int i = 0; i < warmup; i++) {
                trainer.step();
            }
            SectionTimes times = new SectionTimes();
            trainer.time(times);
            long best = Long.MAX_VALUE;
            long optimizer = 0;
            Trainer.Result last = null;
            for (int i = 0; i < steps; i++) {
                long start = System.nanoTime();
                last = trainer.step();
                best = Math.min(best, System.nanoTime() - start);
                optimizer += last.optimizerNanoseconds();
            }
            if (last == null) {
                throw new IllegalArgumentException("a benchmark needs at least one step");
            }
            peak = Math.max(peak, MatmulPeak.measure(precision.compute(), device));
            return new Result(
                    best / 1e9, last.tokens(), peak, last.loss(), times.perStep(steps), optimizer / 1e6 / steps);
        }
    }
}
