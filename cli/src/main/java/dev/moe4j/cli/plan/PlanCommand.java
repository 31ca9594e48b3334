package dev.moe4j.cli.plan;

import dev.moe4j.config.ConfigReader;
import dev.moe4j.console.output.Output;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j plan}: estimates the cost of a training run in advance. */
@Command(
        name = "plan",
        description = {
            "Estimate the parameters, compute, memory, communication, time and energy of a training run.",
            "",
            "Memory is the peak over all tensors, for the configuration's micro-batch and activation "
                    + "recomputation. Time assumes the given utilization, which includes communication.",
            "",
            "With --cluster, the plan models the time of an update and chooses the layout: the fastest of "
                    + "all layouts that fit into the devices' memory. The search covers expert parallelism, sharding, "
                    + "micro-batch and recomputation. --micro-batch and --set of parallel.expert, parallel.shard or "
                    + "recompute fix one of them. See docs/scaling.md for the model and its assumptions."
        })
public final class PlanCommand implements Callable<Integer> {
    private static final double DEFAULT_UTILIZATION = 0.4;

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
            description = "Number of training tokens (default: 300e9).")
    private double tokens;

    @Option(
            names = "--device-name",
            paramLabel = "NAME",
            defaultValue = "a100-80gb",
            description = "a100-80gb, h100-sxm, h200, v100-32gb, or cpu: this processor, measured and shared by all "
                    + "devices of the plan (default: a100-80gb).")
    private String deviceName;

    @Option(
            names = "--devices",
            paramLabel = "N",
            description = "Number of devices (default: --data-parallel, or 1, times parallel.expert).")
    private @Nullable Integer devices;

    @Option(
            names = "--data-parallel",
            paramLabel = "N",
            description = "Number of replicas of the experts, each with its own sequences (default: devices divided by "
                    + "parallel.expert).")
    private @Nullable Integer dataParallel;

    @Option(
            names = "--micro-batch",
            paramLabel = "N",
            description = "Sequences per forward pass on a device (default: the configuration's; with --cluster the "
                    + "fastest).")
    private @Nullable Integer microBatch;

    @Option(
            names = "--cluster",
            arity = "0..1",
            fallbackValue = "",
            paramLabel = "FILE",
            description = "Model the time of an update and recommend a layout. FILE describes the network and the "
                    + "efficiency of the devices; --set cluster.KEY=VALUE overrides a key. Other keys have typical "
                    + "values for the device.")
    private @Nullable String cluster;

    @Option(
            names = "--utilization",
            paramLabel = "F",
            description = "Useful FLOPs per second divided by the device's peak, from 0 to 1 (default: 0.4, typical of "
                    + "good dense systems; not with --cluster).")
    private @Nullable Double utilization;

    @Option(
            names = "--grid",
            paramLabel = "G",
            defaultValue = "480",
            description =
                    "Carbon intensity of the electricity, in grams of CO2 per kWh (default: 480, the world's mean "
                            + "of 2023 by Ember).")
    private double grid;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Set a configuration key, such as model.experts=32, parallel.expert=8 or "
                    + "parallel.shard=optimizer. May be repeated.")
    private List<String> overrides = new ArrayList<>();

    PlanCommand() {}

    @Override
    public Integer call() {
        List<String> clusterOverrides = new ArrayList<>();
        List<String> runOverrides = new ArrayList<>();
        overrides.forEach(text -> (ConfigReader.sets(text, "cluster") ? clusterOverrides : runOverrides).add(text));
        if (cluster != null && utilization != null) {
            throw output.wrongUsage("--cluster models the time that --utilization assumes; leave one of them out");
        }
        if (cluster == null && !clusterOverrides.isEmpty()) {
            throw output.wrongUsage("--set " + clusterOverrides.getFirst() + " acts with --cluster only");
        }
        if ((devices != null && devices < 1)
                || (dataParallel != null && dataParallel < 1)
                || (microBatch != null && microBatch < 1)) {
            throw output.wrongUsage("--devices, --data-parallel and --micro-batch must be at least 1");
        }
        if (cluster != null && devices == null && dataParallel == null) {
            throw output.wrongUsage("--cluster needs --devices N");
        }
        return new PlanRun(
                        output,
                        model,
                        runOverrides,
                        tokens,
                        deviceName,
                        devices,
                        dataParallel,
                        microBatch,
                        cluster,
                        clusterOverrides,
                        utilization != null ? utilization : DEFAULT_UTILIZATION,
                        grid)
                .run();
    }
}
