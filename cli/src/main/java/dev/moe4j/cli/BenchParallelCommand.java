package dev.moe4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench parallel}: several processes against one. */
@Command(
        name = "parallel",
        description = {
            "Several processes against one, on this machine, at the same batch: bench train as one process with all threads, "
                    + "as several that share the threads out, and, for weak scaling, as one process with one's share of "
                    + "threads and batch.",
            "They take turns; of each the fastest step of all rounds counts."
        })
final class BenchParallelCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--preset",
            required = true,
            paramLabel = "NAME",
            description = "cpu-dense, cpu-moe8, cpu-moe32, cpu-moe128 or another preset.")
    private String preset;

    @Option(names = "--processes", paramLabel = "N", description = "How many processes, at least 2 (default: 2).")
    private int processes = 2;

    @Option(names = "--precision", paramLabel = "NAME", description = "bf16 or fp32 (default: bf16).")
    private String precision = "bf16";

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "A key of the configuration, such as parallel.expert=2; may be repeated.")
    private List<String> overrides = new ArrayList<>();

    @Option(names = "--steps", paramLabel = "N", description = "Steps to measure, at least 5 (default: 8).")
    private int steps = 8;

    @Option(names = "--warmup", paramLabel = "N", description = "Steps before them, at least 1 (default: 3).")
    private int warmup = 3;

    @Option(names = "--rounds", paramLabel = "N", description = "Turns of each (default: 2).")
    private int rounds = 2;

    BenchParallelCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param threads of all processes together
     * @param one process with all threads
     * @param parallel all processes, with the same batch
     * @param share one process alone, with one's share of threads and batch
     * @param overOne tokens per second of all processes over those of one
     * @param weakScaling tokens per second of all processes over those of as many that never wait for each other
     */
    record Report(
            String preset,
            String dtype,
            int processes,
            int threads,
            List<String> set,
            Side one,
            Side parallel,
            Side share,
            double overOne,
            double weakScaling) {}

    /**
     * One way to run.
     *
     * @param exchangeShare of the measured time, what rank 0 waited in exchanges; of the fastest round
     * @param memory of each process's tensors, by rank
     * @param memoryOverPlanned the process's that is furthest from what {@code plan} predicts; null where it cannot be told
     */
    record Side(
            double tokensPerSecond,
            double fractionOfPeak,
            double exchangeShare,
            List<BenchTrainCommand.Memory> memory,
            @Nullable Double memoryOverPlanned) {}

    @Override
    public Integer call() {
        if (processes < 2 || rounds < 1) {
            throw output.wrongUsage("--processes must be at least 2 and --rounds at least 1");
        }
        if (steps < BenchTrainCommand.LEAST_STEPS || warmup < 1) {
            throw output.wrongUsage(
                    "--steps must be at least " + BenchTrainCommand.LEAST_STEPS + ", --warmup at least 1");
        }
        Report report = new BenchParallelRun(
                        preset, precision, overrides, processes, steps, warmup, rounds, output.err())
                .run();
        output.print(report, out -> BenchParallelRun.print(report, out));
        return 0;
    }
}
