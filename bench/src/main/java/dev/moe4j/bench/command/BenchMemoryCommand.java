package dev.moe4j.bench.command;

import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.option.PrecisionOption;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.output.Output;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench memory}: the law of flat memory. */
@Command(
        name = "memory",
        description = {
            "Train on random tokens for many steps and measure live tensors and the C library's heap.",
            "After the first tenth of the steps the number of tensors must not change, and the heap must grow by less "
                    + "than 50 bytes per step; otherwise the exit code is 1."
        })
public final class BenchMemoryCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(names = "--steps", paramLabel = "N", description = "Updates, at least 20 (default: 10000).")
    private int steps = 10_000;

    @Option(
            names = "--model",
            converter = OptionNames.Preset.class,
            paramLabel = "NAME",
            description = "A preset (default: cpu-tiny-moe).")
    private String model = "cpu-tiny-moe";

    @Mixin
    private PrecisionOption precision;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchMemoryCommand() {}

    /**
     * The output of {@code --json}.
     *
     * @param threads number of threads of a CPU operation
     * @param samples the first at the end of the warm-up
     * @param heapGrowthBytesPerStep growth of the C library's heap, lower quartile over the parts of the run; null if the C
     *     library does not report it
     * @param heapGrowthBound bound of the growth in bytes per step
     * @param liveTensorsEqual whether all samples have the same number of live tensors
     */
    public record Report(
            String model,
            String precision,
            int threads,
            int steps,
            List<Sample> samples,
            @Nullable Double heapGrowthBytesPerStep,
            long heapGrowthBound,
            boolean liveTensorsEqual,
            boolean holds,
            double seconds) {}

    /** Memory after {@code step} steps. */
    record Sample(
            int step, @Nullable Long heapBytes, @Nullable Long rssBytes, long liveTensors) {}

    @Override
    public Integer call() {
        Report report = BenchRun.memory(model, precision.name, steps, device, output.err());
        output.print(report, out -> BenchRun.print(report, out));
        requireLaw(report);
        return 0;
    }

    public static void requireLaw(Report report) {
        if (!report.liveTensorsEqual()) {
            throw new CliException("the law of flat memory is broken: the number of live tensors changes with the "
                    + "steps; run with MOE4J_JAVA_OPTS=-Dmoe4j.debug.tensors=true to see where they were created");
        }
        if (!report.holds()) {
            throw new CliException("the law of flat memory is broken: the C library's heap grows by "
                    + report.heapGrowthBytesPerStep() + " bytes a step, not less than " + report.heapGrowthBound()
                    + "; see docs/performance.md");
        }
    }
}
