package dev.moe4j.bench.command;

import dev.moe4j.base.file.FileTree;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.console.option.RunOptions;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.output.ExitCode;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.output.ResultJson;
import dev.moe4j.console.process.JavaCommand;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.parallel.launch.Launcher;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.RunConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Runs {@link BenchParallelCommand}; a separate class, so that {@code --help} loads less. */
record BenchParallelRun(
        BenchStepOptions options, String precision, BatchConfig batch, int processes, int rounds, PrintWriter err) {

    /** Keys that apply to several processes only. */
    private static final String PARALLEL = "parallel";

    static BenchParallelCommand.Report run(BenchStepOptions options, int processes, int rounds, Output output) {
        BatchConfig batch =
                RunOptions.read(output, options.preset, options.overrides).batch();
        if (batch.microBatch() % processes != 0) {
            throw new CliException("micro-batches of " + batch.microBatch() + " sequences cannot be divided among "
                    + processes + " processes: choose another --processes, or --set batch.sequences");
        }
        // Resolved once, so that all compared runs use the same precision.
        Precision precision = RunConfig.precision(options.precision.name, Device.CPU);
        return new BenchParallelRun(options, precision.name(), batch, processes, rounds, output.err()).measure();
    }

    private BenchParallelCommand.Report measure() {
        int threads = Libtorch.threads();
        int each = Math.max(1, threads / processes);
        List<String> whole = options.overrides.stream()
                .filter(override -> !ConfigReader.sets(override, PARALLEL))
                .toList();
        List<String> part = new ArrayList<>(whole);
        part.add("batch.sequences=" + batch.sequences() / processes);
        List<BenchTrainCommand.Report> one = new ArrayList<>();
        List<BenchTrainCommand.Report> parallel = new ArrayList<>();
        List<BenchTrainCommand.Report> share = new ArrayList<>();
        try (ProgressLine progress = ProgressLine.start(err, "bench parallel " + options.preset, 3L * rounds)) {
            for (int round = 0; round < rounds; round++) {
                one.add(train(1, threads, whole));
                progress.update(3L * round + 1, "");
                parallel.add(train(processes, each, options.overrides));
                progress.update(3L * round + 2, "");
                share.add(train(1, each, part));
                progress.update(3L * round + 3, "");
            }
        }
        return report(threads, side(one), side(parallel), side(share));
    }

    private BenchParallelCommand.Report report(
            int threads,
            BenchParallelCommand.Side one,
            BenchParallelCommand.Side parallel,
            BenchParallelCommand.Side share) {
        return new BenchParallelCommand.Report(
                options.preset,
                precision,
                processes,
                threads,
                options.overrides,
                one,
                parallel,
                share,
                parallel.tokensPerSecond() / one.tokensPerSecond(),
                parallel.tokensPerSecond() / (processes * share.tokensPerSecond()));
    }

    /** Runs {@code bench train} as {@code processes} processes. */
    private BenchTrainCommand.Report train(int ranks, int threads, List<String> keys) {
        List<String> command = JavaCommand.words();
        command.addAll(List.of("bench", "train", "--json", "--preset", options.preset, "--precision", precision));
        command.addAll(List.of("--steps", String.valueOf(options.steps), "--warmup", String.valueOf(options.warmup)));
        if (options.balanced) {
            command.add("--balanced");
        }
        options.data.forEach(data -> command.addAll(List.of("--data", data)));
        keys.forEach(key -> command.addAll(List.of("--set", key)));
        Path logs = Launcher.temporaryLogs();
        List<String> printed = new ArrayList<>();
        Launcher.Plan plan =
                new Launcher.Plan(command, List.of(), ranks, threads, 0, RankEnvironment.DEFAULT_TIMEOUT, logs);
        try (Launcher launcher = new Launcher(plan, printed::add, _ -> {})) {
            int code = launcher.run();
            if (code == ExitCode.WRONG_USAGE) {
                throw new CliException("bench train refuses this model in " + ranks + " processes; see " + logs);
            }
            if (code != 0) {
                throw new CliException("bench parallel was interrupted before its last measurement; run it again");
            }
        }
        delete(logs);
        return ResultJson.read(printed.getLast(), BenchTrainCommand.Report.class);
    }

    /** Deletes logs of a successful run. Logs of a failed run stay, and its message names them. */
    private static void delete(Path logs) {
        try {
            FileTree.delete(logs);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static BenchParallelCommand.Side side(List<BenchTrainCommand.Report> runs) {
        BenchTrainCommand.Report fastest = runs.stream()
                .max(Comparator.comparingDouble(BenchTrainCommand.Report::tokensPerSecond))
                .orElseThrow();
        return new BenchParallelCommand.Side(
                fastest.tokensPerSecond(),
                fastest.fractionOfPeak(),
                fastest.exchangeShare(),
                fastest.memory(),
                furthest(fastest.memory()));
    }

    private static @Nullable Double furthest(List<BenchTrainCommand.Memory> memory) {
        return memory.stream()
                .map(BenchTrainCommand.Memory::overPlanned)
                .filter(Objects::nonNull)
                .max(Comparator.comparingDouble(ratio -> Math.abs(Math.log(ratio))))
                .orElse(null);
    }

    static void print(BenchParallelCommand.Report report, PrintWriter out) {
        out.printf(
                "%s in %s, %d threads%s%n",
                report.preset(),
                report.dtype(),
                report.threads(),
                report.set().isEmpty() ? "" : ", " + String.join(" ", report.set()));
        out.printf("%-32s %10s %10s %10s %10s%n", "", "tokens/s", "of peak", "exchanges", "memory");
        print("1 process", report.one(), out);
        print(report.processes() + " processes", report.parallel(), out);
        print("1 process, its share of the work", report.share(), out);
        out.printf(
                "%d processes over one %.3f, over perfect weak scaling %.3f%n",
                report.processes(), report.overOne(), report.weakScaling());
    }

    private static void print(String name, BenchParallelCommand.Side side, PrintWriter out) {
        Double memory = side.memoryOverPlanned();
        out.printf(
                "%-32s %,10.0f %10.3f %8.1f %% %10s%n",
                name,
                side.tokensPerSecond(),
                side.fractionOfPeak(),
                100 * side.exchangeShare(),
                memory == null ? "-" : String.format("%.3f×", memory));
    }
}
