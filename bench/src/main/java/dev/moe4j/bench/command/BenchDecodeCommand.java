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
            "Reading a prompt, making tokens and scoring text, on random tokens: the fastest of several rounds.",
            "Making a token for one sequence is held against the time in which memory could deliver the weights that it "
                    + "uses, scoring against the forward part of a training step in the same process."
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

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each figure (default: 5).")
    private int rounds = 5;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchDecodeCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param threads that an operation on the CPU used
     * @param prefillTokensPerSecond of a prompt of half the context, one sequence
     * @param tokensPerSecond made for one sequence
     * @param weightBytes that such a token reads
     * @param bandwidthBytesPerSecond of a sum over numbers that no cache holds
     * @param fractionOfFloor the time in which memory could deliver those bytes, over the time that a token takes
     * @param batch sequences that grow together
     * @param batchTokensPerSecond made for all of them
     * @param evaluationTokensPerSecond of scored text
     * @param trainingForwardTokensPerSecond of the forward part of a training step
     * @param evaluationOverTraining one over the other
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
