package dev.moe4j.bench.command;

import dev.moe4j.bench.ExpertLoad;
import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.Output;
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
            "Whole training steps, on random tokens or on text: the fastest of the measured ones.",
            "Useful FLOPs are those of the chosen experts, attention in full, the router and the head, times three; "
                    + "the peak is that of a 1024³ product in the compute type, in the same process.",
            "Under launch, or torchrun's variables, it measures all processes together: bench parallel compares them with one."
        })
final class BenchTrainCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private BenchStepOptions options;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchTrainCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param dtype of the products
     * @param threads that an operation on the CPU used, in each process
     * @param flopsPerToken useful FLOPs of forward and backward
     * @param gemmPeakGflops of a 1024³ product in the same type and process
     * @param fractionOfPeak useful FLOP/s over that peak
     * @param peakRssBytes resident memory at its most; null where the system does not tell
     * @param bandwidthGbs gigabytes per second of a sum over numbers that no cache holds
     * @param optimizerMs the gradient's norm and the update
     * @param optimizerFloorMs the bytes that they must move, at that rate
     * @param expertLoad null for a dense model
     * @param exchangeShare of the measured time, what rank 0 waited in exchanges
     * @param memory of each process's tensors, by rank
     */
    record Report(
            String preset,
            String dtype,
            int threads,
            long parametersTotal,
            long parametersActive,
            double flopsPerToken,
            double tokensPerSecond,
            double gemmPeakGflops,
            double fractionOfPeak,
            double bandwidthGbs,
            @Nullable Long peakRssBytes,
            List<Section> sections,
            double optimizerMs,
            double optimizerFloorMs,
            @Nullable ExpertLoad expertLoad,
            double exchangeShare,
            List<Memory> memory) {}

    /** Bytes of tensors at their most, and what {@code plan} predicts; the first is null where it cannot be told. */
    record Memory(@Nullable Long measuredBytes, long plannedBytes) {
        @Nullable
        Double overPlanned() {
            return measuredBytes == null ? null : measuredBytes / (double) plannedBytes;
        }
    }

    /**
     * A kind of section, over all layers, in the mean of the measured steps.
     *
     * @param floorMs the least that both can take: useful FLOPs over the peak or, where that is more, bytes that must move
     *     over the memory's rate; null where none is known
     */
    record Section(
            String name,
            double forwardMs,
            double backwardMs,
            @Nullable Double floorMs) {}

    @Override
    public Integer call() {
        options.check(output);
        BenchTrainRun.run(options, NamedData.parse(options.data, output), device, output)
                .ifPresent(report -> output.print(report, out -> BenchTrainRun.print(report, out)));
        return 0;
    }
}
