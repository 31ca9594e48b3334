package dev.moe4j.bench;

import dev.moe4j.model.Architecture;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.train.BatchConfig;
import dev.moe4j.train.OptimizerConfig;
import dev.moe4j.train.ResidentMemory;
import dev.moe4j.train.ScheduleConfig;
import dev.moe4j.train.Trainer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.IntConsumer;

/**
 * The law of flat memory: after a warm-up no step leaves a tensor alive, and the process's resident memory does not
 * grow by more than {@link #BOUND}, however many steps follow. The bound is for what the JVM itself takes in the course
 * of a run: compiled code and a heap that settles.
 */
public final class MemoryLaw {

    /** Bytes. */
    public static final long BOUND = 64L << 20;

    /** The warm-up is one of that many parts of the steps; a sample is taken after each part. */
    private static final int PARTS = 10;

    private final Architecture architecture;
    private final BatchConfig batch;
    private final Precision precision;
    private final Device device;

    /**
     * The state after so many steps.
     *
     * @param residentBytes of this process, where the system tells
     */
    public record Sample(int step, OptionalLong residentBytes, long liveTensors) {}

    /**
     * What was measured.
     *
     * @param samples the first at the end of the warm-up, the last at the end
     */
    public record Result(List<Sample> samples) {

        /** The most resident memory of a later sample over the first's, in bytes; not below 0. */
        public OptionalLong growth() {
            OptionalLong first = samples.getFirst().residentBytes();
            return first.isEmpty()
                    ? first
                    : OptionalLong.of(samples.stream()
                                    .mapToLong(sample -> sample.residentBytes().orElseThrow())
                                    .max()
                                    .orElseThrow()
                            - first.getAsLong());
        }

        public boolean liveTensorsAreEqual() {
            return samples.stream().mapToLong(Sample::liveTensors).distinct().count() == 1;
        }

        public boolean holds() {
            return liveTensorsAreEqual() && growth().orElse(0) <= BOUND;
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
                Trainer.Result _ = trainer.step();
                progress.accept(step);
                if (step % warmup == 0 || step == steps) {
                    samples.add(new Sample(step, ResidentMemory.now(), Scope.liveTensors()));
                }
            }
        }
        return new Result(List.copyOf(samples));
    }
}
