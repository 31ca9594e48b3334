package dev.moe4j.bench.command;

import dev.moe4j.bench.CheckpointStall;
import dev.moe4j.bench.DecodeBenchmark;
import dev.moe4j.bench.GemmBenchmark;
import dev.moe4j.bench.MemoryLaw;
import dev.moe4j.bench.PrecisionLaw;
import dev.moe4j.bench.SampleText;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Runs the smaller benchmark commands; a separate class, so that {@code --help} loads less. */
final class BenchRun {
    private BenchRun() {}

    static BenchDecodeCommand.Report decode(
            String preset, String precisionName, int rounds, String device, PrintWriter err) {
        RunConfig run = RunConfig.preset(preset);
        Device where = Device.parse(device);
        Precision precision = RunConfig.precision(precisionName, where);
        DecodeBenchmark benchmark = new DecodeBenchmark(run.architecture(), run.batch(), precision, where);
        int[] done = {0};
        DecodeBenchmark.Result result;
        try (ProgressLine progress = ProgressLine.start(err, "bench decode " + preset, rounds)) {
            result = benchmark.run(rounds, () -> progress.update(++done[0], ""));
        }
        return new BenchDecodeCommand.Report(
                preset,
                precision.name(),
                Libtorch.threads(),
                result.prefillTokensPerSecond(),
                1 / result.tokenSeconds(),
                result.weightBytes(),
                result.bandwidth(),
                result.fractionOfFloor(),
                result.batch(),
                result.batchTokensPerSecond(),
                result.evaluationTokensPerSecond(),
                result.trainingForwardTokensPerSecond(),
                result.evaluationOverTraining());
    }

    static void print(BenchDecodeCommand.Report report, PrintWriter out) {
        out.printf("%s in %s, %d threads%n", report.preset(), report.dtype(), report.threads());
        out.printf("prefill      %,.0f tokens/s%n", report.prefillTokensPerSecond());
        out.printf(
                "one text     %,.0f tokens/s: %.2f of the limit of %.1f MB per token at %.1f GB/s%n",
                report.tokensPerSecond(),
                report.fractionOfFloor(),
                report.weightBytes() / 1e6,
                report.bandwidthBytesPerSecond() / 1e9);
        out.printf("%-12s %,.0f tokens/s%n", report.batch() + " texts", report.batchTokensPerSecond());
        out.printf(
                "evaluation   %,.0f tokens/s: %.2f of the %,.0f of a training step's forward part%n",
                report.evaluationTokensPerSecond(),
                report.evaluationOverTraining(),
                report.trainingForwardTokensPerSecond());
    }

    static BenchGemmCommand.Report gemm(List<String> precisions, String device, PrintWriter err) {
        List<DType> dtypes =
                precisions.stream().map(name -> Precision.parse(name).compute()).toList();
        Device where = Device.parse(device);
        int total = dtypes.size() * GemmBenchmark.shapes();
        int[] done = {0};
        List<GemmBenchmark.Result> results;
        try (ProgressLine progress = ProgressLine.start(err, "bench gemm", total)) {
            results = GemmBenchmark.run(dtypes, where, () -> progress.update(++done[0], ""));
        }
        return new BenchGemmCommand.Report(
                where.toString(),
                Libtorch.threads(),
                results.stream()
                        .map(r -> new BenchGemmCommand.Product(
                                r.name(), r.dtype(), r.rows(), r.inner(), r.columns(), r.gflops()))
                        .toList());
    }

    static void print(BenchGemmCommand.Report report, PrintWriter out) {
        out.printf("%-24s %6s %6s %6s  %-5s %10s%n", "product", "rows", "inner", "cols", "dtype", "GFLOP/s");
        for (BenchGemmCommand.Product p : report.products()) {
            out.printf(
                    "%-24s %6d %6d %6d  %-5s %10.1f%n",
                    p.name(), p.rows(), p.inner(), p.columns(), p.dtype(), p.gflops());
        }
    }

    static BenchPrecisionCommand.Report precision(
            @Nullable Path data, String narrow, int steps, String device, PrintWriter err) {
        Device where = Device.parse(device);
        Precision precision = Precision.parse(narrow);
        if (data != null) {
            try (Shards shards = Shards.open(data)) {
                return precision(shards, data.toString(), precision, steps, where, err);
            }
        }
        try (SampleText text = SampleText.prepare()) {
            return precision(text.shards(), "JDK sources of java.util", precision, steps, where, err);
        }
    }

    private static BenchPrecisionCommand.Report precision(
            Shards shards, String data, Precision narrow, int steps, Device device, PrintWriter err) {
        String model = BenchPrecisionCommand.MODEL;
        PrecisionLaw.Result result;
        try (ProgressLine progress = ProgressLine.start(err, "bench precision", 2L * steps)) {
            result = new PrecisionLaw(model, narrow, shards, device)
                    .run(steps, (done, loss) -> progress.update(done, String.format("loss %.3f", loss)));
        }
        return new BenchPrecisionCommand.Report(
                model,
                narrow.name(),
                Libtorch.threads(),
                data,
                result.steps(),
                result.averaged(),
                result.tokens(),
                result.fp32().loss(),
                result.narrow().loss(),
                result.difference(),
                PrecisionLaw.BOUND,
                result.holds(),
                result.fp32().seconds(),
                result.narrow().seconds(),
                result.narrow().skipped());
    }

    static void print(BenchPrecisionCommand.Report report, PrintWriter out) {
        out.printf(
                "%s on %s: %,d steps, %,d tokens, mean loss of the last %d steps%n",
                report.model(), report.data(), report.steps(), report.tokens(), report.averagedSteps());
        out.printf("fp32         %.4f in %.1f s%n", report.fp32Loss(), report.fp32Seconds());
        out.printf(
                "%-12s %.4f in %.1f s, %d steps without an update%n",
                report.precision(), report.loss(), report.seconds(), report.skipped());
        out.printf(
                "difference   %+.4f nats, bound %.2f: the law %s%n",
                report.difference(), report.bound(), report.holds() ? "holds" : "is broken");
    }

    static BenchMemoryCommand.Report memory(
            String model, String precisionName, int steps, String device, PrintWriter err) {
        RunConfig run = RunConfig.preset(model);
        Device where = Device.parse(device);
        Precision precision = RunConfig.precision(precisionName, where);
        MemoryLaw law = new MemoryLaw(run.architecture(), run.batch(), precision, where);
        long start = System.nanoTime();
        MemoryLaw.Result result;
        try (ProgressLine progress = ProgressLine.start(err, "bench memory", steps)) {
            result = law.run(steps, done -> progress.update(done, ""));
        }
        return new BenchMemoryCommand.Report(
                model,
                precision.name(),
                Libtorch.threads(),
                steps,
                result.samples().stream()
                        .map(sample -> new BenchMemoryCommand.Sample(
                                sample.step(),
                                boxed(sample.heapBytes()),
                                boxed(sample.residentBytes()),
                                sample.liveTensors()))
                        .toList(),
                result.growth().isPresent() ? result.growth().getAsDouble() : null,
                MemoryLaw.BOUND,
                result.liveTensorsAreEqual(),
                result.holds(),
                (System.nanoTime() - start) / 1e9);
    }

    static BenchCheckpointCommand.Report checkpoint(String model, int every, int checkpoints, PrintWriter err) {
        CheckpointStall.Result result;
        try (SampleText text = SampleText.prepare();
                ProgressLine progress =
                        ProgressLine.start(err, "bench checkpoint", CheckpointStall.steps(every, checkpoints))) {
            result = new CheckpointStall(model, every, text)
                    .run(text.folder().resolve("run"), checkpoints, step -> progress.update(step, ""));
        }
        return new BenchCheckpointCommand.Report(
                model,
                Libtorch.threads(),
                every,
                result.checkpoints(),
                result.bytes(),
                result.touchedSteps(),
                result.freeStepSeconds(),
                result.stallSeconds(),
                result.share(),
                CheckpointStall.BOUND,
                result.holds());
    }

    static @Nullable Long boxed(OptionalLong value) {
        return value.isPresent() ? value.getAsLong() : null;
    }

    static void print(BenchMemoryCommand.Report report, PrintWriter out) {
        out.printf("%s in %s, %.0f s%n", report.model(), report.precision(), report.seconds());
        out.printf("%10s %14s %14s %14s%n", "steps", "heap MiB", "resident MiB", "live tensors");
        for (BenchMemoryCommand.Sample sample : report.samples()) {
            out.printf(
                    "%,10d %14s %14s %,14d%n",
                    sample.step(), mebibytes(sample.heapBytes()), mebibytes(sample.rssBytes()), sample.liveTensors());
        }
        Double growth = report.heapGrowthBytesPerStep();
        out.printf(
                "heap growth %s bytes a step, bound %d: the law %s%n",
                growth == null ? "-" : String.format("%.1f", growth),
                report.heapGrowthBound(),
                report.holds() ? "holds" : "is broken");
    }

    private static String mebibytes(@Nullable Long bytes) {
        return bytes == null ? "-" : String.format("%.1f", bytes / (double) (1L << 20));
    }
}
