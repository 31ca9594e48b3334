package dev.moe4j.cli;

import dev.moe4j.bench.GemmBenchmark;
import dev.moe4j.bench.PeakMemory;
import dev.moe4j.bench.StepBenchmark;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import java.io.PrintWriter;
import java.util.List;
import java.util.OptionalLong;

/** Runs benchmarks; apart from the commands, whose classes load with every {@code --help}. */
final class BenchRun {
    private BenchRun() {}

    static BenchTrainCommand.Report train(
            String preset, String precision, int steps, int warmup, String device, PrintWriter err) {
        Precision types = Precision.parse(precision);
        StepBenchmark benchmark = StepBenchmark.ofPreset(preset, types, Device.parse(device));
        StepBenchmark.Result result;
        try (ProgressLine progress = ProgressLine.start(err, "bench " + preset, warmup + steps)) {
            result = benchmark.run(
                    warmup, steps, (done, seconds) -> progress.update(done, String.format("%.3f s a step", seconds)));
        }
        OptionalLong memory = PeakMemory.bytes();
        return new BenchTrainCommand.Report(
                preset,
                precision,
                result.parametersTotal(),
                result.parametersActive(),
                result.flopsPerToken(),
                result.tokensPerSecond(),
                result.peak() / 1e9,
                result.fractionOfPeak(),
                memory.isPresent() ? memory.getAsLong() : null,
                result.sections().stream()
                        .map(time -> new BenchTrainCommand.Section(time.name(), time.forwardMs(), time.backwardMs()))
                        .toList(),
                result.optimizerMilliseconds());
    }

    static void print(BenchTrainCommand.Report report, PrintWriter out) {
        out.printf("%s in %s%n", report.preset(), report.dtype());
        out.printf(
                "parameters   %,d, of which a token uses %,d%n", report.parametersTotal(), report.parametersActive());
        out.printf("tokens/s     %,.0f%n", report.tokensPerSecond());
        out.printf(
                "useful work  %.1f GFLOP/s, %.3f of the peak of %.1f GFLOP/s%n",
                report.flopsPerToken() * report.tokensPerSecond() / 1e9,
                report.fractionOfPeak(),
                report.gemmPeakGflops());
        Long memory = report.peakRssBytes();
        if (memory != null) {
            out.printf("memory       %.2f GiB at its most%n", memory / (double) (1L << 30));
        }
        out.printf("%n%-12s %12s %12s%n", "section", "forward ms", "backward ms");
        for (BenchTrainCommand.Section section : report.sections()) {
            out.printf("%-12s %12.1f %12.1f%n", section.name(), section.forwardMs(), section.backwardMs());
        }
        out.printf("%-12s %12s %12.1f%n", "optimizer", "", report.optimizerMs());
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
}
