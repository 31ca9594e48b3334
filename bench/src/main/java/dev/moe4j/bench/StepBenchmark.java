package dev.moe4j.bench;

import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.plan.MemoryUse;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.NativeHeap;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.cuda.CudaMemory;
import dev.moe4j.tensor.hardware.MatmulPeak;
import dev.moe4j.train.Trainer;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.metrics.StepResult;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Whole training steps, against the matmul peak of the same processes. */
public final class StepBenchmark {

    /** The first step ends with the optimizer's moments, so that only later ones hold all that a step holds. */
    public static final int LEAST_WARMUP = 2;

    private final RunConfig run;
    private final Precision precision;
    private final Device device;
    private final ParallelContext fabric;
    private boolean balanced;
    private @Nullable TrainingData text;

    /**
     * What was measured.
     *
     * @param parametersTotal of the model
     * @param parametersActive those that a token passes through
     * @param flopsPerToken useful FLOPs of forward and backward: the chosen experts, attention in full, router, head
     * @param seconds of the fastest step
     * @param tokens in a step, of all processes
     * @param peak floating-point operations per second of a 1024³ product in the compute type, summed over processes
     * @param lastLoss nats per token
     * @param bandwidth bytes per second of a sum over numbers that no cache holds, of this process
     * @param sections in the mean of the timed steps, as this process saw them
     * @param optimizerMilliseconds the norm and the optimizer, in the mean of the timed steps
     * @param optimizerFloorMilliseconds the least that they can take
     * @param load of the experts in the timed steps; empty for a dense model
     * @param exchangeShare of the timed steps, what this process waited in exchanges; 0 for one process
     * @param memory of each process, by rank
     */
    public record Result(
            long parametersTotal,
            long parametersActive,
            double flopsPerToken,
            double seconds,
            long tokens,
            double peak,
            double bandwidth,
            double lastLoss,
            List<SectionTime> sections,
            double optimizerMilliseconds,
            double optimizerFloorMilliseconds,
            Optional<ExpertLoad> load,
            double exchangeShare,
            List<Memory> memory) {

        public double tokensPerSecond() {
            return tokens / seconds;
        }

        /** Useful floating-point operations per second as a share of the peak. */
        public double fractionOfPeak() {
            return flopsPerToken * tokensPerSecond() / peak;
        }
    }

    /**
     * Bytes of a process's tensors when they are the most.
     *
     * @param measured what the C library had handed out, over what it had before; on a GPU what libtorch's allocator had,
     *     PyTorch's {@code max_memory_allocated}; empty where that cannot be told
     * @param planned what {@code plan} predicts
     */
    public record Memory(OptionalLong measured, long planned) {}

    /** Hears of each step, warm-up included: {@code done} so far and the seconds that it took. */
    @FunctionalInterface
    public interface Progress {
        void step(int done, double seconds);
    }

    /** A benchmark of one run's model and batch, on these processes. */
    public StepBenchmark(RunConfig run, Precision precision, Device device, ParallelContext fabric) {
        this.run = run;
        this.precision = precision;
        this.device = device;
        this.fabric = fabric;
    }

    /** Trains on that text, as a run does, rather than on random tokens; the model's vocabulary has to hold its ids. */
    public StepBenchmark on(TrainingData value) {
        text = value;
        return this;
    }

    /** Deals tokens out to experts in turns, so that all have the same load, rather than as routers say. */
    public StepBenchmark balanced() {
        balanced = true;
        return this;
    }

    /**
     * Measures.
     *
     * @param warmup steps before the measured ones, in which memory is measured; at least {@link #LEAST_WARMUP}
     * @param steps measured, of which the fastest counts; at least 1
     */
    public Result run(int warmup, int steps, Progress progress) {
        if (warmup < LEAST_WARMUP || steps < 1) {
            throw new IllegalArgumentException(
                    "a benchmark needs at least " + LEAST_WARMUP + " steps before and one that counts");
        }
        double peak = MatmulPeak.measure(precision.compute(), device);
        // Before there is a model, whose resident memory this one's buffer would add to.
        double bandwidth = MemoryRate.measure(device);
        OptionalLong before = NativeHeap.inUse();
        if (device.isCuda()) {
            CudaMemory.restart(device);
        }
        try (LanguageModel model = LanguageModel.initialize(
                run.architecture(), precision, device, fabric, run.parallel().expertGradients(), new RandomKey(1))) {
            model.recompute(run.recompute());
            if (balanced) {
                model.dealInTurns();
            }
            Trainer trainer = new Trainer(
                            model,
                            run.batch(),
                            OptimizerConfig.DEFAULT,
                            ScheduleConfig.DEFAULT,
                            source(),
                            1,
                            warmup + steps)
                    .documents(run.data());
            OptionalLong onHost = onHost(before, () -> {
                for (int i = 0; i < warmup; i++) {
                    long start = System.nanoTime();
                    trainer.step();
                    progress.step(i + 1, seconds(start));
                }
            });
            SectionTimes times = new SectionTimes();
            trainer.time(times);
            double best = Double.MAX_VALUE;
            ExpertLoads loads = new ExpertLoads();
            long optimizer = 0;
            double loss = Double.NaN;
            double waitedBefore = fabric.waitedSeconds();
            double all = 0;
            for (int i = 0; i < steps; i++) {
                long start = System.nanoTime();
                StepResult result = trainer.step();
                double taken = seconds(start);
                best = Math.min(best, taken);
                all += taken;
                optimizer += result.optimizerNanoseconds();
                loss = result.loss();
                loads.add(result.routing());
                progress.step(warmup + i + 1, taken);
                // After each step, since a neighbour may slow down a whole measurement, and the fastest step stands
                // against the fastest product. Several processes would wait for each other's measurements.
                if (fabric.layout().world() == 1 || i == steps - 1) {
                    peak = Math.max(peak, MatmulPeak.measure(precision.compute(), device));
                }
            }
            double exchanges = (fabric.waitedSeconds() - waitedBefore) / all;
            long tokens = (long) run.batch().sequences() * run.model().context();
            SectionFloors floors = new SectionFloors(
                    run.architecture(),
                    precision,
                    (double) tokens / fabric.layout().world(),
                    fabric.layout(),
                    peak,
                    bandwidth);
            Cost cost = Cost.of(run.architecture());
            return new Result(
                    cost.parametersTotal(),
                    cost.parametersActive(),
                    cost.trainingFlopsPerToken(),
                    best,
                    tokens,
                    fabric.everyone().sum(new double[] {peak}, "matmul peaks")[0],
                    bandwidth,
                    loss,
                    times.perStep(steps, floors),
                    optimizer / 1e6 / steps,
                    floors.optimizerMilliseconds(),
                    loads.mean(),
                    exchanges,
                    memory(device.isCuda() ? CudaMemory.peak(device) : onHost));
        }
    }

    private Trainer.SequenceSource source() {
        return text == null
                ? new RandomTokens(run.architecture().model().vocabulary())
                : Trainer.SequenceSource.of(run.sequences(text));
    }

    /** What the C library has handed out at its most while the work runs, if this is where tensors are. */
    private OptionalLong onHost(OptionalLong before, Runnable work) {
        if (device.isCuda() || before.isEmpty()) {
            work.run();
            return OptionalLong.empty();
        }
        long initialized = NativeHeap.inUse().orElseThrow() - before.getAsLong();
        return OptionalLong.of(initialized + NativeHeap.peak(work).orElseThrow());
    }

    private List<Memory> memory(OptionalLong most) {
        double[] ofAll = new double[fabric.layout().world()];
        ofAll[fabric.layout().rank()] = most.orElse(0);
        long planned = MemoryUse.of(run, precision, ofAll.length, device).total();
        return Arrays.stream(fabric.everyone().sum(ofAll, "memory"))
                .mapToObj(
                        bytes -> new Memory(bytes == 0 ? OptionalLong.empty() : OptionalLong.of((long) bytes), planned))
                .toList();
    }

    /** Since {@code start}, to the end of what the device was asked: a step returns when a GPU has yet to update. */
    private double seconds(long start) {
        Libtorch.synchronize(device);
        return (System.nanoTime() - start) / 1e9;
    }
}
