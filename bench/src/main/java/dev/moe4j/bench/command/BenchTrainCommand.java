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

/** {@code moe4j bench train}: complete training steps. */
@Command(
        name = "train",
        description = {
            "Measure complete training steps on random tokens or on text; the fastest step counts.",
            "Useful FLOPs are three times the forward pass with the chosen experts, full attention, router and head. "
                    + "The peak is a 1024³ product in the compute type, in the same process.",
            "Under launch or torchrun it measures all processes together; bench parallel compares them with one process."
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
     * The output of {@code --json}.
     *
     * @param dtype type of the matrix products
     * @param threads number of threads of a CPU operation, per process
     * @param flopsPerToken useful FLOPs of forward and backward
     * @param gemmPeakGflops GFLOP/s of a 1024³ product in the same type and process
     * @param fractionOfPeak useful FLOP/s over that peak
     * @param peakRssBytes peak resident memory; null if the system does not report it
     * @param bandwidthGbs memory bandwidth in gigabytes per second
     * @param optimizerMs time of gradient norm and update
     * @param optimizerFloorMs lower bound of {@code optimizerMs}: the bytes that must move, at that bandwidth
     * @param expertLoad null for a dense model
     * @param exchangeShare share of the measured time that rank 0 waited for other ranks
     * @param memory memory of each process's tensors, by rank
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

    /** Peak bytes of tensors (null if not known), and the prediction of {@code plan}. */
    record Memory(@Nullable Long measuredBytes, long plannedBytes) {
        @Nullable
        Double overPlanned() {
            return measuredBytes == null ? null : measuredBytes / (double) plannedBytes;
        }
    }

    /**
     * A kind of section, summed over all layers, mean over the measured steps.
     *
     * @param floorMs lower bound of forward and backward: the larger of useful FLOPs over the peak, and bytes over memory
     *     bandwidth; null if not known
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
