package dev.moe4j.bench.command;

import dev.moe4j.bench.Growth;
import dev.moe4j.bench.GrowthFigure;
import dev.moe4j.console.view.FigureFile;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.tensor.AmxTiles;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.io.PrintWriter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs {@link BenchGrowthCommand}; a separate class, so that {@code --help} loads less. */
final class BenchGrowthRun {
    private BenchGrowthRun() {}

    static BenchGrowthCommand.Report run(
            String preset,
            String precisionName,
            String deviceName,
            List<Integer> experts,
            List<Integer> lengths,
            int rounds,
            int steps,
            @Nullable FigureFile figure,
            PrintWriter err) {
        if (figure != null) {
            figure.check();
        }
        Device device = Device.parse(deviceName);
        Precision precision = RunConfig.precision(precisionName, device);
        AmxTiles.configure(precision);
        int[] done = {0};
        Growth.Result result;
        try (ProgressLine progress =
                ProgressLine.start(err, "bench growth " + preset, (long) rounds * (experts.size() + lengths.size()))) {
            result = new Growth(preset, precision, device)
                    .run(experts, lengths, rounds, steps, () -> progress.update(++done[0], ""));
        }
        if (figure != null) {
            figure.write(GrowthFigure.svg(preset + " in " + precision.name() + " on " + device, result));
        }
        return new BenchGrowthCommand.Report(
                preset, precision.name(), Libtorch.threads(), sizes(result.experts()), sizes(result.lengths()));
    }

    private static List<BenchGrowthCommand.Size> sizes(List<Growth.Point> points) {
        return points.stream()
                .map(point -> new BenchGrowthCommand.Size(
                        point.value(),
                        1000 * point.seconds(),
                        point.tokens() / point.seconds(),
                        point.fractionOfPeak(),
                        point.seconds() / points.getFirst().seconds(),
                        point.flopsPerToken() / points.getFirst().flopsPerToken()))
                .toList();
    }

    static void print(BenchGrowthCommand.Report report, PrintWriter out) {
        out.printf("%s in %s, %d threads%n", report.preset(), report.dtype(), report.threads());
        print("experts", report.experts(), out);
        print("length", report.lengths(), out);
    }

    private static void print(String name, List<BenchGrowthCommand.Size> sizes, PrintWriter out) {
        out.printf(
                "%-8s %9s %9s %8s %12s %13s%n",
                name, "ms a step", "tokens/s", "of peak", "over first", "FLOPs of first");
        for (BenchGrowthCommand.Size size : sizes) {
            out.printf(
                    "%-8d %9.0f %9.0f %8.3f %12.2f %13.2f%n",
                    size.value(),
                    size.stepMs(),
                    size.tokensPerSecond(),
                    size.fractionOfPeak(),
                    size.overFirst(),
                    size.flopsOverFirst());
        }
    }
}
