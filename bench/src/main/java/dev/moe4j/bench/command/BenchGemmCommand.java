package dev.moe4j.bench.command;

import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.Output;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench gemm}: matrix products. */
@Command(
        name = "gemm",
        description =
                "Measure matrix products: 1024³ and the products of a training step, the fastest of several, in GFLOP/s.")
final class BenchGemmCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--precision",
            split = ",",
            paramLabel = "NAME",
            description = "bf16, fp32, fp64, or several separated by commas (default: bf16,fp32).")
    private List<String> precisions = List.of("bf16", "fp32");

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    private String device = "cpu";

    BenchGemmCommand() {}

    /**
     * The output of {@code --json}.
     *
     * @param threads number of threads of a product on the CPU
     */
    record Report(String device, int threads, List<Product> products) {}

    /** The fastest of several products {@code [rows, inner] · [inner, columns]}. */
    record Product(String name, String dtype, int rows, int inner, int columns, double gflops) {}

    @Override
    public Integer call() {
        Report report = BenchRun.gemm(precisions, device, output.err());
        output.print(report, out -> BenchRun.print(report, out));
        return 0;
    }
}
