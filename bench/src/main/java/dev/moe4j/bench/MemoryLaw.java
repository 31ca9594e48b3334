package dev.moe4j.bench;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.NativeHeap;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.train.Trainer;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.metrics.ResidentMemory;
import dev.moe4j.train.metrics.StepResult;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * The law of flat memory: after a warm-up no step leaves a tensor alive, and the C library's heap, which holds all that
 * libtorch allocates on the host, grows by less than {@link #BOUND} bytes a step. The growth is the lower quartile
 * over parts of the run: a leak is in every part, and what the JVM itself allocates there, such as for compiled code, is not.
 */
public final class MemoryLaw {

    /** Bytes a step. One forgotten object of the binding is 32 bytes or more, and a layer has many a step. */
    public static final long BOUND = 50;

    /** The warm-up is one of that many parts of the steps; a sample is taken after each part. */
    private static final int PARTS = 10;

    private final Architecture architecture;
    private final BatchConfig batch;
    private final Precision precision;
    private final Device device;

    /**
     * The state after so many steps.
     *
     * @param heapBytes in use on the C library's heap; empty if it does not count
     * @param residentBytes of this process, where the system tells
     */
    public record Sample(int step, OptionalLong heapBytes, OptionalLong residentBytes, long liveTensors) {}

    /**
     * What was measured.
     *
     * @param samples the first at the end of the warm-up, the last at the end
     */
    public record Result(List<Sample> samples) {

        /** Bytes a step by which the C library's heap grows, the lower quartile over the parts; empty if it does not count. */
        public OptionalDouble growth() {
            if (samples.getFirst().heapBytes().isEmpty()) {
                return OptionalDouble.empty();
            }
            double[] slopes = IntStream.range(1, samples.size())
                    .mapToDouble(i -> slope(samples.get(i - 1), samples.get(i)))
                    .sorted()
                    .toArray();
            return OptionalDouble.of(slopes[slopes.length / 4]);
        }

        private static double slope(Sample from, Sample to) {
            long bytes = to.heapBytes().orElseThrow() - from.heapBytes().orElseThrow();
            return (double) bytes / (to.step() - from.step());
        }

        public boolean liveTensorsAreEqual() {
            return samples.stream().mapToLong(Sample::liveTensors).distinct().count() == 1;
        }

        public boolean holds() {
            return liveTensorsAreEqual() && growth().orElse(0) < BOUND;
        }
    }

    public MemoryLaw(Architecture architecture, BatchConfig batch, Precision precision, Device device) {
        this.architecture = architecture;
        this.batch = batch;
        this.precision = precision;
        this.device = device;
    }

    /** Trains on random tokens; the first tenth of the steps is the warm-up. */
    public Result run(int steps, IntConsumer progress) {
        if (steps < 2 * PARTS) {
            throw new BenchException("steps: " + steps + " is too small; use at least " + 2 * PARTS);
        }
        List<Sample> samples = new ArrayList<>();
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, device, new RandomKey(1))) {
            Trainer trainer = new Trainer(
                    model,
                    batch,
                    OptimizerConfig.DEFAULT,
                    ScheduleConfig.DEFAULT,
                    new RandomTokens(architecture.model().vocabulary()),
                    1,
                    steps);
            int warmup = steps / PARTS;
            for (int step = 1; step <= steps; step++) {
                StepResult _ = trainer.step();
                progress.accept(step);
                if (step % warmup == 0 || step == steps) {
                    samples.add(new Sample(step, NativeHeap.inUse(), ResidentMemory.now(), Scope.liveTensors()));
                }
            }
        }
        return new Result(List.copyOf(samples));
    }
}
