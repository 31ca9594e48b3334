package dev.moe4j.bench.command;

import dev.moe4j.bench.ExpertLoad;
import dev.moe4j.bench.StepBenchmark;
import dev.moe4j.config.ConfigWriter;
import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.option.RunIdentity;
import dev.moe4j.console.option.RunOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.parallel.DistributedRun;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.AmxTiles;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.ResidentMemory;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Runs {@link BenchTrainCommand}; a separate class, so that {@code --help} loads less. */
final class BenchTrainRun {
    private BenchTrainRun() {}

    /** Measures. The result is empty in all ranks but rank 0, which reports for all. */
    static Optional<BenchTrainCommand.Report> run(
            BenchStepOptions options, List<NamedData> data, String device, Output output) {
        RunConfig run = RunOptions.read(output, options.preset, options.overrides);
        PrintWriter err = output.err();
        if (data.isEmpty()) {
            return run(options, run, null, device, err);
        }
        try (TrainingData text = NamedData.open(data)) {
            RunConfig forText = run.forVocabulary(text.tokenizer().vocabularySize());
            return run(options, forText, text, device, err);
        }
    }

    private static Optional<BenchTrainCommand.Report> run(
            BenchStepOptions options, RunConfig run, @Nullable TrainingData text, String device, PrintWriter err) {
        RankEnvironment environment = RankEnvironment.of(System.getenv());
        Device where = environment.device(device);
        Precision precision = RunConfig.precision(options.precision.name, where);
        AmxTiles.configure(precision);
        return DistributedRun.run(
                environment,
                RunIdentity.of(
                        environment,
                        ConfigWriter.toYaml(run)
                                + List.of(
                                        precision.name(),
                                        options.steps,
                                        options.warmup,
                                        options.balanced,
                                        text == null ? "random tokens" : text.sha256())),
                processes -> {
                    ParallelContext parallel = run.parallel().connect(processes);
                    StepBenchmark benchmark = new StepBenchmark(run, precision, where, parallel);
                    if (options.balanced) {
                        benchmark.balanced();
                    }
                    if (text != null) {
                        benchmark.onText(text);
                    }
                    StepBenchmark.Result result;
                    try (ProgressLine progress =
                            ProgressLine.start(err, "bench " + options.preset, options.warmup + options.steps)) {
                        result = benchmark.run(
                                options.warmup,
                                options.steps,
                                (done, seconds) -> progress.update(done, String.format("%.3f s a step", seconds)));
                    }
                    return parallel.leads()
                            ? Optional.of(report(options.preset, precision.name(), result))
                            : Optional.empty();
                });
    }

    private static BenchTrainCommand.Report report(String preset, String precision, StepBenchmark.Result result) {
        return new BenchTrainCommand.Report(
                preset,
                precision,
                Libtorch.threads(),
                result.parametersTotal(),
                result.parametersActive(),
                result.flopsPerToken(),
                result.tokensPerSecond(),
                result.peak() / 1e9,
                result.fractionOfPeak(),
                result.bandwidth() / 1e9,
                BenchRun.boxed(ResidentMemory.peak()),
                result.sections().stream()
                        .map(time -> new BenchTrainCommand.Section(
                                time.name(),
                                time.forwardMs(),
                                time.backwardMs(),
                                time.floorMs().isPresent() ? time.floorMs().getAsDouble() : null))
                        .toList(),
                result.optimizerMilliseconds(),
                result.optimizerFloorMilliseconds(),
                result.load().orElse(null),
                result.exchangeShare(),
                result.memory().stream()
                        .map(memory ->
                                new BenchTrainCommand.Memory(BenchRun.boxed(memory.measured()), memory.planned()))
                        .toList());
    }

    static void print(BenchTrainCommand.Report report, PrintWriter out) {
        out.printf("%s in %s, %d threads%n", report.preset(), report.dtype(), report.threads());
        out.printf(
                "parameters   %,d, of which a token uses %,d%n", report.parametersTotal(), report.parametersActive());
        out.printf("tokens/s     %,.0f%n", report.tokensPerSecond());
        out.printf(
                "useful work  %.1f GFLOP/s, %.3f of the peak of %.1f GFLOP/s%n",
                report.flopsPerToken() * report.tokensPerSecond() / 1e9,
                report.fractionOfPeak(),
                report.gemmPeakGflops());
        Long resident = report.peakRssBytes();
        if (resident != null) {
            out.printf("resident     %.2f GiB peak%n", gibibytes(resident));
        }
        for (int rank = 0; rank < report.memory().size(); rank++) {
            BenchTrainCommand.Memory memory = report.memory().get(rank);
            Long measured = memory.measuredBytes();
            out.printf(
                    "tensors      %s GiB peak in rank %d, %.2f planned%n",
                    measured == null ? "-" : String.format("%.2f", gibibytes(measured)),
                    rank,
                    gibibytes(memory.plannedBytes()));
        }
        if (report.memory().size() > 1) {
            out.printf("exchanges    %.1f %% of the time%n", 100 * report.exchangeShare());
        }
        ExpertLoad load = report.expertLoad();
        if (load != null) {
            out.printf(
                    "experts      %.1f %% idle, the busiest has %.1f times its share%n",
                    100 * load.idle(), load.busiest());
        }
        out.printf("%n%-16s %12s %12s %12s%n", "section", "forward ms", "backward ms", "floor ms");
        for (BenchTrainCommand.Section section : report.sections()) {
            Double floor = section.floorMs();
            out.printf(
                    "%-16s %12.1f %12.1f %12s%n",
                    section.name(),
                    section.forwardMs(),
                    section.backwardMs(),
                    floor == null ? "" : String.format("%.1f", floor));
        }
        out.printf("%-16s %12s %12.1f %12.1f%n", "optimizer", "", report.optimizerMs(), report.optimizerFloorMs());
    }

    private static double gibibytes(long bytes) {
        return bytes / (double) (1L << 30);
    }
}
