package dev.moe4j.bench.command;

import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench precision}: the law that mixed precision follows float32. */
@Command(
        name = "precision",
        description = {
            "Train the same model twice, in fp32 and in bf16 or fp16, and compare the mean loss of the last 50 steps.",
            "Seed, sequences and schedule are the same. If the losses differ by more than 0.02 nats, the exit code is 1."
        })
public final class BenchPrecisionCommand implements Callable<Integer> {
    static final String MODEL = "cpu-tiny-moe";

    @Mixin
    private Output output;

    @Option(names = "--steps", paramLabel = "N", description = "Updates of each run (default: 500).")
    private int steps = 500;

    @Option(
            names = "--precision",
            paramLabel = "P",
            description = "The precision to compare with fp32: bf16 or fp16 (default: bf16).")
    private String precision = "bf16";

    @Option(
            names = "--data",
            paramLabel = "SHARDS",
            description = "A folder that prepare wrote (default: the JDK's sources, prepared in a temporary folder).")
    private @Nullable Path data;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchPrecisionCommand() {}

    /**
     * The output of {@code --json}.
     *
     * @param threads number of threads of a CPU operation
     * @param data the training text
     * @param averagedSteps number of last steps over which losses are averaged
     * @param tokens number of tokens that each run trained on
     * @param fp32Loss nats per token
     * @param loss nats per token in the narrower precision
     * @param difference {@code loss} minus {@code fp32Loss}
     * @param bound largest allowed absolute difference
     * @param skipped number of steps without an update, because gradients overflowed in fp16
     */
    public record Report(
            String model,
            String precision,
            int threads,
            String data,
            int steps,
            int averagedSteps,
            long tokens,
            double fp32Loss,
            double loss,
            double difference,
            double bound,
            boolean holds,
            double fp32Seconds,
            double seconds,
            long skipped) {}

    @Override
    public Integer call() {
        Report report = BenchRun.precision(data, precision, steps, device, output.err());
        output.print(report, out -> BenchRun.print(report, out));
        requireLaw(report);
        return 0;
    }

    public static void requireLaw(Report report) {
        if (!report.holds()) {
            throw new CliException(String.format(
                    "the precision law is broken: %s is %+.4f nats from fp32, more than %.2f; see docs/performance.md",
                    report.precision(), report.difference(), report.bound()));
        }
    }
}
