package dev.moe4j.bench.command;

import dev.moe4j.bench.StepBenchmark;
import dev.moe4j.console.option.PrecisionOption;
import dev.moe4j.console.output.Output;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of benchmarks of training steps: the model, the data, and the number of steps. */
final class BenchStepOptions {
    private static final int MIN_STEPS = 5;

    @Option(
            names = "--preset",
            required = true,
            paramLabel = "NAME",
            description = "cpu-dense, cpu-moe8, cpu-moe32, cpu-moe128 or another preset.")
    String preset;

    @Mixin
    PrecisionOption precision = new PrecisionOption();

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description =
                    "A key of the configuration, such as parallel.expert=2 or batch.sequences=8; may be repeated.")
    List<String> overrides = new ArrayList<>();

    @Option(
            names = "--data",
            paramLabel = "[NAME=]SHARDS",
            description = "Train on a folder that prepare wrote instead of random tokens, which routers distribute "
                    + "differently from text; may be repeated.")
    List<String> data = new ArrayList<>();

    @Option(names = "--steps", paramLabel = "N", description = "Steps to measure, at least 5 (default: 8).")
    int steps = 8;

    @Option(names = "--warmup", paramLabel = "N", description = "Warm-up steps, at least 2 (default: 3).")
    int warmup = 3;

    @Option(
            names = "--balanced",
            description = "Assign tokens to experts round robin instead of by the routers, for an even load.")
    boolean balanced;

    /** Refuses too few steps. */
    void check(Output output) {
        if (steps < MIN_STEPS || warmup < StepBenchmark.MIN_WARMUP) {
            throw output.wrongUsage(
                    "--steps must be at least " + MIN_STEPS + ", --warmup at least " + StepBenchmark.MIN_WARMUP);
        }
    }
}
