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

/** Measures complete training steps and compares them with the matmul peak of the same processes. */
public final class StepBenchmark {

    /** The first step allocates the optimizer's moments at its end, so only later steps reach the full memory. */
    public static final int MIN_WARMUP = 2;

    private final RunConfig run;
    private final Precision precision;
    private final Device device;
    private final ParallelContext parallel;
    private boolean balanced;
    private @Nullable TrainingData text;

    /**
     * The measurements.
     *
     * @param parametersTotal number of the model's parameters
     * @param parametersActive number of parameters that one token uses
     * @param flopsPerToken useful FLOPs of forward and backward: the chosen experts, full attention, router, head
     * @param seconds time of the fastest step
     * @param tokens tokens per step, over all processes
     * @param peak FLOP/s of a 1024³ matrix product in the compute type, summed over processes
     * @param bandwidth this process's memory bandwidth, in bytes per second, see {@link MemoryRate}
     * @param lastLoss nats per token
     * @param sections this process's time by kind of section, mean over the timed steps
     * @param optimizerMilliseconds gradient norm and update, mean over the timed steps
     * @param optimizerFloorMilliseconds lower bound of {@code optimizerMilliseconds}
     * @param load expert load in the timed steps; empty for a dense model
     * @param exchangeShare share of the timed steps that this process waited for other processes; 0 for one process
     * @param memory each process's memory, by rank
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

        /** Useful FLOP/s as a share of the peak. */
        public double fractionOfPeak() {
            return flopsPerToken * tokensPerSecond() / peak;
        }
    }

    /**
     * Peak bytes of a process's tensors.
     *
     * @param measured growth of the C library's heap; on a GPU the peak of libtorch's allocator, PyTorch's {@code
     *     max_memory_allocated}; empty if it is not known
     * @param planned the prediction of {@code plan}
     */
    public record Memory(OptionalLong measured, long planned) {}

    /** Is notified after each step, including warm-up, of the number of steps done and the step's seconds. */
    @FunctionalInterface
    public interface Progress {
        void step(int done, double seconds);
    }

    /** A benchmark of a run's model and batch on the given processes. */
    public StepBenchmark(RunConfig run, Precision precision, Device device, ParallelContext parallel) {
        this.run = run;
        this.precision = precision;
        this.device = device;
        this.parallel = parallel;
    }

    /** Trains on prepared text instead of random tokens; the model's vocabulary must contain the text's tokens. */
    public StepBenchmark onText(TrainingData value) {
        text = value;
        return this;
    }

    /** Assigns tokens to experts round robin instead of by the routers, for an even load. */
    public StepBenchmark balanced() {
        balanced = true;
        return this;
    }

    /**
     * Runs the benchmark.
     *
     * @param warmup number of steps before the timed ones; memory is measured in them; at least {@link #MIN_WARMUP}
     * @param steps number of timed steps, of which the fastest counts; at least 1
     */
    public Result run(int warmup, int steps, Progress progress) {
        if (warmup < MIN_WARMUP || steps < 1) {
            throw new IllegalArgumentException(
                    "a benchmark needs at least " + MIN_WARMUP + " warm-up steps and one timed step");
        }
        double peak = MatmulPeak.measure(precision.compute(), device);
        // Before the model exists, since this buffer would add to the measured memory.
        double bandwidth = MemoryRate.measure(device);
        OptionalLong before = NativeHeap.inUse();
        if (device.isCuda()) {
            CudaMemory.restart(device);
        }
        try (LanguageModel model = LanguageModel.initialize(
                run.architecture(), precision, device, parallel, run.parallel().expertGradients(), new RandomKey(1))) {
            model.recompute(run.recompute());
            if (balanced) {
                model.assignRoundRobin();
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
            double waitedBefore = parallel.waitedSeconds();
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
                // After each step, since other load may slow down a whole measurement, and the fastest step is compared
                // with the fastest product. Several processes would wait for each other's measurements.
                if (parallel.layout().world() == 1 || i == steps - 1) {
                    peak = Math.max(peak, MatmulPeak.measure(precision.compute(), device));
                }
            }
            double exchanges = (parallel.waitedSeconds() - waitedBefore) / all;
            long tokens = (long) run.batch().sequences() * run.model().context();
            SectionFloors floors = new SectionFloors(
                    run.architecture(),
                    precision,
                    (double) tokens / parallel.layout().world(),
                    parallel.layout(),
                    peak,
                    bandwidth);
            Cost cost = Cost.of(run.architecture());
            return new Result(
                    cost.parametersTotal(),
                    cost.parametersActive(),
                    cost.trainingFlopsPerToken(),
                    best,
                    tokens,
                    parallel.everyone().sum(new double[] {peak}, "matmul peaks")[0],
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

    /** The peak of the C library's heap while {@code work} runs; empty if the tensors are on a GPU. */
    private OptionalLong onHost(OptionalLong before, Runnable work) {
        if (device.isCuda() || before.isEmpty()) {
            work.run();
            return OptionalLong.empty();
        }
        long initialized = NativeHeap.inUse().orElseThrow() - before.getAsLong();
        return OptionalLong.of(initialized + NativeHeap.peak(work).orElseThrow());
    }

    private List<Memory> memory(OptionalLong most) {
        double[] ofAll = new double[parallel.layout().world()];
        ofAll[parallel.layout().rank()] = most.orElse(0);
        long planned = MemoryUse.of(run, precision, ofAll.length, device).total();
        return Arrays.stream(parallel.everyone().sum(ofAll, "memory"))
                .mapToObj(
                        bytes -> new Memory(bytes == 0 ? OptionalLong.empty() : OptionalLong.of((long) bytes), planned))
                .toList();
    }

    /** Seconds since {@code start}. Waits for the device, since a step returns before a GPU has finished it. */
    private double seconds(long start) {
        Libtorch.synchronize(device);
        return (System.nanoTime() - start) / 1e9;
    }
}
