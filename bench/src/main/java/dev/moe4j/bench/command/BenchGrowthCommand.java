package dev.moe4j.bench.command;

import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.option.PrecisionOption;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.FigureFile;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench growth}: how a step's time grows with experts and with sequences. */
@Command(
        name = "growth",
        description = {
            "Measure how a training step's time grows with the number of experts and with the sequence length, at equal "
                    + "tokens per step.",
            "Every size is measured in each round, and its fastest step counts. More experts add FLOPs in the router "
                    + "only; longer sequences add FLOPs in attention."
        })
final class BenchGrowthCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--preset",
            converter = OptionNames.Preset.class,
            paramLabel = "NAME",
            description = "The model (default: cpu-moe8).")
    private String preset = "cpu-moe8";

    @Option(
            names = "--experts",
            split = ",",
            paramLabel = "N",
            description = "Numbers of experts (default: 8,16,32,64,128,256).")
    private List<Integer> experts = List.of(8, 16, 32, 64, 128, 256);

    @Option(
            names = "--lengths",
            split = ",",
            paramLabel = "N",
            description = "Sequence lengths in tokens (default: 128,256,512,1024,2048).")
    private List<Integer> lengths = List.of(128, 256, 512, 1024, 2048);

    @Mixin
    private PrecisionOption precision;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each size (default: 2).")
    private int rounds = 2;

    @Option(names = "--steps", paramLabel = "N", description = "Steps of each size per round (default: 5).")
    private int steps = 5;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    @Option(names = "--figure", paramLabel = "FILE.svg", description = "Draw it, too.")
    private @Nullable Path figure;

    BenchGrowthCommand() {}

    /** The output of {@code --json}. */
    record Report(String preset, String dtype, int threads, List<Size> experts, List<Size> lengths) {}

    /**
     * One size.
     *
     * @param value the number of experts, or the sequence length
     * @param stepMs time of the fastest step, in milliseconds
     * @param overFirst its time over the first size's
     * @param flopsOverFirst its useful FLOPs over the first size's
     */
    record Size(
            int value,
            double stepMs,
            double tokensPerSecond,
            double fractionOfPeak,
            double overFirst,
            double flopsOverFirst) {}

    @Override
    public Integer call() {
        if (rounds < 1 || steps < 1) {
            throw output.wrongUsage("--rounds and --steps must be at least 1");
        }
        Report report = BenchGrowthRun.run(
                preset,
                precision.name,
                device,
                experts,
                lengths,
                rounds,
                steps,
                figure == null ? null : new FigureFile("--figure", figure),
                output.err());
        output.print(report, out -> BenchGrowthRun.print(report, out));
        return 0;
    }
}
