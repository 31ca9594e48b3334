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
 * Checks the law of flat memory: after a warm-up no step leaves a tensor alive, and the C library's heap grows by less
 * than {@link #BOUND} bytes per step. libtorch allocates all host memory on that heap. The growth is the lower quartile
 * over parts of the run. A leak occurs in every part. The JVM's own allocations, such as compiled code, do not.
 */
public final class MemoryLaw {

    /** Bytes per step. One leaked object of the binding has 32 bytes or more, and a layer makes many of them per step. */
    public static final long BOUND = 50;

    /**
     * The steps are divided into this number of parts. A sample is taken after each part but the first. Many parts make the
     * lower quartile robust against the JVM's allocations, which occur at any time.
     */
    private static final int PARTS = 20;

    /** The parts of the warm-up. */
    private static final int WARM_UP = 2;

    private final Architecture architecture;
    private final BatchConfig batch;
    private final Precision precision;
    private final Device device;

    /**
     * Memory after {@code step} steps.
     *
     * @param heapBytes bytes in use on the C library's heap; empty if the C library does not report them
     * @param residentBytes this process's resident memory, if the system reports it
     */
    public record Sample(int step, OptionalLong heapBytes, OptionalLong residentBytes, long liveTensors) {}

    /**
     * The measurements.
     *
     * @param samples the first at the end of the warm-up, the last at the end of the run
     */
    public record Result(List<Sample> samples) {

        /** Growth of the C library's heap in bytes per step, lower quartile over the parts; empty if it is not reported. */
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
        if (steps < PARTS) {
            throw new BenchException("steps: " + steps + " is too small; use at least " + PARTS);
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
            int part = steps / PARTS;
            for (int step = 1; step <= steps; step++) {
                StepResult _ = trainer.step();
                progress.accept(step);
                if (step >= WARM_UP * part && (step % part == 0 || step == steps)) {
                    samples.add(new Sample(step, NativeHeap.inUse(), ResidentMemory.now(), Scope.liveTensors()));
                }
            }
        }
        return new Result(List.copyOf(samples));
    }
}
