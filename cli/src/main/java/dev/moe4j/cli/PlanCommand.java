package dev.moe4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code plan}: what a training run takes, before it is made. */
@Command(
        name = "plan",
        description = {
            "Say what a training run takes: parameters, operations, memory, exchange, time, energy.",
            "",
            "Memory is that of tensors when they are the most, with the configuration's micro-batch; nothing is "
                    + "recomputed. Time assumes the given utilization, exchanges included."
        })
final class PlanCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--model",
            required = true,
            paramLabel = "NAME|FILE",
            description = "A preset, such as moe-52b or cpu-moe32, or a YAML file.")
    private String model;

    @Option(
            names = "--tokens",
            paramLabel = "N",
            defaultValue = "300e9",
            description = "Tokens that training sees (default: 300e9).")
    private double tokens;

    @Option(
            names = "--device-name",
            paramLabel = "NAME",
            defaultValue = "a100-80gb",
            description = "a100-80gb (default), h100-sxm, h200, v100-32gb, or cpu: this processor, measured.")
    private String deviceName;

    @Option(
            names = "--devices",
            paramLabel = "N",
            description = "How many (default: data times expert parallelism, else 1).")
    private @Nullable Integer devices;

    @Option(
            names = "--data-parallel",
            paramLabel = "N",
            description =
                    "Copies of the experts; each has its own sequences (default: devices over expert parallelism).")
    private @Nullable Integer dataParallel;

    @Option(
            names = "--expert-parallel",
            paramLabel = "N",
            defaultValue = "1",
            description = "Devices that share one copy of the experts (default: 1).")
    private int expertParallel;

    @Option(
            names = "--utilization",
            paramLabel = "F",
            defaultValue = "0.4",
            description =
                    "Useful operations per second over the device's peak (default: 0.4, as good dense systems reach).")
    private double utilization;

    @Option(
            names = "--grid",
            paramLabel = "G",
            defaultValue = "480",
            description = "Grams of CO2 per kWh (default: 480, the world's mean of 2023 by Ember).")
    private double grid;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Set a configuration key, such as model.experts=32 or batch.sequences=64; may be repeated.")
    private List<String> overrides = new ArrayList<>();

    PlanCommand() {}

    @Override
    public Integer call() {
        return new PlanRun(output, model, overrides, tokens, deviceName, copies(), expertParallel, utilization, grid)
                .run();
    }

    /** Data parallelism, from what was given. */
    private int copies() {
        if (expertParallel < 1 || (devices != null && devices < 1) || (dataParallel != null && dataParallel < 1)) {
            throw output.wrongUsage("--devices, --data-parallel and --expert-parallel must be at least 1");
        }
        int copies = dataParallel != null ? dataParallel : devices == null ? 1 : devices / expertParallel;
        if (devices != null && (long) copies * expertParallel != devices) {
            throw output.wrongUsage(
                    "--devices " + devices + " is not --data-parallel times --expert-parallel " + expertParallel);
        }
        return copies;
    }
}
