package dev.moe4j.bench.command;

import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.option.PrecisionOption;
import dev.moe4j.console.output.Output;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench decode}: forward passes without training. */
@Command(
        name = "decode",
        description = {
            "Measure prefill, decode and scoring on random tokens; the fastest of several rounds counts.",
            "A decode step of one sequence is compared with the time in which memory could deliver its weights, scoring "
                    + "with the forward part of a training step in the same process."
        })
final class BenchDecodeCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--preset",
            converter = OptionNames.Preset.class,
            required = true,
            paramLabel = "NAME",
            description = "cpu-dense, cpu-moe8, cpu-moe32, cpu-moe128 or another preset.")
    private String preset;

    @Mixin
    private PrecisionOption precision;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each measurement (default: 5).")
    private int rounds = 5;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchDecodeCommand() {}

    /**
     * The output of {@code --json}.
     *
     * @param threads number of threads of a CPU operation
     * @param prefillTokensPerSecond prefill rate of one prompt of half the context
     * @param tokensPerSecond decode rate of one sequence
     * @param weightBytes bytes of the weights that a decode step reads
     * @param bandwidthBytesPerSecond memory bandwidth
     * @param fractionOfFloor the time in which memory could deliver those bytes, over the time of a decode step
     * @param batch number of sequences that are decoded together
     * @param batchTokensPerSecond decode rate of the batch
     * @param evaluationTokensPerSecond rate of scoring text
     * @param trainingForwardTokensPerSecond rate of the forward part of a training step
     * @param evaluationOverTraining the rate of scoring over that of training's forward part
     */
    record Report(
            String preset,
            String dtype,
            int threads,
            double prefillTokensPerSecond,
            double tokensPerSecond,
            double weightBytes,
            double bandwidthBytesPerSecond,
            double fractionOfFloor,
            int batch,
            double batchTokensPerSecond,
            double evaluationTokensPerSecond,
            double trainingForwardTokensPerSecond,
            double evaluationOverTraining) {}

    @Override
    public Integer call() {
        if (rounds < 1) {
            throw output.wrongUsage("--rounds must be at least 1");
        }
        Report report = BenchRun.decode(preset, precision.name, rounds, device, output.err());
        output.print(report, out -> BenchRun.print(report, out));
        return 0;
    }
}
