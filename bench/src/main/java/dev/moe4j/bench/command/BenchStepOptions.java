package dev.moe4j.bench.command;

import dev.moe4j.bench.StepBenchmark;
import dev.moe4j.console.option.PrecisionOption;
import dev.moe4j.console.output.Output;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Mixin for a benchmark of whole training steps: what it trains, and how many steps. */
final class BenchStepOptions {
    private static final int LEAST_STEPS = 5;

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
            description =
                    "Train on this text, a folder that prepare wrote, as train does, rather than on random tokens, "
                            + "which routers deal out in their own way; may be repeated.")
    List<String> data = new ArrayList<>();

    @Option(names = "--steps", paramLabel = "N", description = "Steps to measure, at least 5 (default: 8).")
    int steps = 8;

    @Option(names = "--warmup", paramLabel = "N", description = "Steps before them, at least 2 (default: 3).")
    int warmup = 3;

    @Option(
            names = "--balanced",
            description = "Deal tokens out to experts in turns, whatever the routers say: the load is then even.")
    boolean balanced;

    /** Refuses numbers of steps that measure nothing. */
    void check(Output output) {
        if (steps < LEAST_STEPS || warmup < StepBenchmark.LEAST_WARMUP) {
            throw output.wrongUsage(
                    "--steps must be at least " + LEAST_STEPS + ", --warmup at least " + StepBenchmark.LEAST_WARMUP);
        }
    }
}
