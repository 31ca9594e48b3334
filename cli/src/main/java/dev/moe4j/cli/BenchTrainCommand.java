package dev.moe4j.cli;

import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench train}: whole training steps. */
@Command(
        name = "train",
        description = {
            "Whole training steps on random tokens: the fastest of the measured ones.",
            "Useful FLOPs are those of the chosen experts, attention in full, the router and the head, times three; "
                    + "the peak is that of a 1024³ product in the compute type, in the same process."
        })
final class BenchTrainCommand implements Callable<Integer> {
    private static final int LEAST_STEPS = 5;

    @Mixin
    private Output output;

    @Option(
            names = "--preset",
            required = true,
            paramLabel = "NAME",
            description = "cpu-dense, cpu-moe8, cpu-moe32, cpu-moe128 or another preset.")
    private String preset;

    @Option(names = "--precision", paramLabel = "NAME", description = "bf16 or fp32 (default: bf16).")
    private String precision = "bf16";

    @Option(names = "--steps", paramLabel = "N", description = "Steps to measure, at least 5 (default: 8).")
    private int steps = 8;

    @Option(names = "--warmup", paramLabel = "N", description = "Steps before them (default: 3).")
    private int warmup = 3;

    @Option(names = "--device", paramLabel = "DEVICE", description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchTrainCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param dtype of the products
     * @param flopsPerToken useful FLOPs of forward and backward
     * @param gemmPeakGflops of a 1024³ product in the same type and process
     * @param fractionOfPeak useful FLOP/s over that peak
     * @param peakRssBytes resident memory at its most; null where the system does not tell
     * @param optimizerMs the gradient's norm and the update
     */
    record Report(
            String preset,
            String dtype,
            long parametersTotal,
            long parametersActive,
            double flopsPerToken,
            double tokensPerSecond,
            double gemmPeakGflops,
            double fractionOfPeak,
            @Nullable Long peakRssBytes,
            List<Section> sections,
            double optimizerMs) {}

    /** A kind of section, over all layers, in the mean of the measured steps. */
    record Section(String name, double forwardMs, double backwardMs) {}

    @Override
    public Integer call() {
        if (steps < LEAST_STEPS || warmup < 0) {
            throw output.wrongUsage("--steps must be at least " + LEAST_STEPS + ", --warmup at least 0");
        }
        Report report = BenchRun.train(preset, precision, steps, warmup, device, output.err());
        output.print(report, out -> BenchRun.print(report, out));
        return 0;
    }
}
