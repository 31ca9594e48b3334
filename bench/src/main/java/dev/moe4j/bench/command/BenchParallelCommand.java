package dev.moe4j.bench.command;

import dev.moe4j.console.output.Output;
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
            "Compare several processes with one on this machine, at the same batch. bench train runs as one process with all "
                    + "threads, as several processes that divide the threads, and, for weak scaling, as one process with "
                    + "one rank's share of threads and batch.",
            "The three alternate; the fastest step of all rounds counts."
        })
final class BenchParallelCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private BenchStepOptions options;

    @Option(names = "--processes", paramLabel = "N", description = "Number of processes, at least 2 (default: 2).")
    private int processes = 2;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each (default: 2).")
    private int rounds = 2;

    BenchParallelCommand() {}

    /**
     * The output of {@code --json}.
     *
     * @param threads number of threads of all processes together
     * @param one one process with all threads
     * @param parallel all processes, with the same batch
     * @param share one process alone, with one rank's share of threads and batch
     * @param overOne tokens per second of all processes over those of one
     * @param weakScaling tokens per second of all processes over the same number of processes that never wait
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
     * Measurements of one configuration.
     *
     * @param exchangeShare share of the measured time that rank 0 waited for other ranks, in the fastest round
     * @param memory memory of each process's tensors, by rank
     * @param memoryOverPlanned measured over predicted memory of the rank with the largest deviation; null if not known
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
        options.check(output);
        Report report = BenchParallelRun.run(options, processes, rounds, output);
        output.print(report, out -> BenchParallelRun.print(report, out));
        return 0;
    }
}
