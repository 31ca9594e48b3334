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

/** {@code plan}: what a training run takes, before it is made. */
@Command(
        name = "plan",
        description = {
            "Say what a training run takes: parameters, operations, memory, exchange, time, energy.",
            "",
            "Memory is that of tensors when they are the most, with the configuration's micro-batch and recomputation. "
                    + "Time assumes the given utilization, exchanges included.",
            "",
            "With --cluster both are worked out instead: the layout that is the fastest on so many connected devices "
                    + "among those that fit, and what its update's time consists of. Layouts are searched in expert "
                    + "parallelism, shards, micro-batch and recomputation, but for what --micro-batch or --set of "
                    + "parallel.expert, parallel.shard and recompute choose. docs/scaling.md has the model and its "
                    + "assumptions."
        })
public final class PlanCommand implements Callable<Integer> {
    private static final double USUAL_UTILIZATION = 0.4;

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
            description =
                    "a100-80gb (default), h100-sxm, h200, v100-32gb, or cpu: this processor, measured; several share it.")
    private String deviceName;

    @Option(
            names = "--devices",
            paramLabel = "N",
            description = "How many (default: --data-parallel, or 1, times parallel.expert).")
    private @Nullable Integer devices;

    @Option(
            names = "--data-parallel",
            paramLabel = "N",
            description = "Copies of the experts; each has its own sequences (default: devices over parallel.expert).")
    private @Nullable Integer dataParallel;

    @Option(
            names = "--micro-batch",
            paramLabel = "N",
            description = "Sequences that go through a device's model at a time (default: the configuration's; with "
                    + "--cluster the fastest).")
    private @Nullable Integer microBatch;

    @Option(
            names = "--cluster",
            arity = "0..1",
            fallbackValue = "",
            paramLabel = "FILE",
            description = "Model the time of an update and recommend a layout. The file's keys say how the devices are "
                    + "connected and what they reach, and so does --set cluster.KEY=VALUE; the rest is usual for the "
                    + "device.")
    private @Nullable String cluster;

    @Option(
            names = "--utilization",
            paramLabel = "F",
            description =
                    "Useful operations per second over the device's peak (default: 0.4, as good dense systems reach; "
                            + "--cluster works it out).")
    private @Nullable Double utilization;

    @Option(
            names = "--grid",
            paramLabel = "G",
            defaultValue = "480",
            description = "Grams of CO2 per kWh (default: 480, the world's mean of 2023 by Ember).")
    private double grid;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description =
                    "Set a configuration key, such as model.experts=32, parallel.expert=8 or parallel.shard=optimizer; may be "
                            + "repeated.")
    private List<String> overrides = new ArrayList<>();

    PlanCommand() {}

    @Override
    public Integer call() {
        List<String> ofCluster = new ArrayList<>();
        List<String> ofRun = new ArrayList<>();
        overrides.forEach(text -> (ConfigReader.sets(text, "cluster") ? ofCluster : ofRun).add(text));
        if (cluster != null && utilization != null) {
            throw output.wrongUsage("--cluster works out what --utilization assumes: leave one of them out");
        }
        if (cluster == null && !ofCluster.isEmpty()) {
            throw output.wrongUsage("--set " + ofCluster.getFirst() + " acts with --cluster only");
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
                        ofRun,
                        tokens,
                        deviceName,
                        devices,
                        dataParallel,
                        microBatch,
                        cluster,
                        ofCluster,
                        utilization != null ? utilization : USUAL_UTILIZATION,
                        grid)
                .run();
    }
}
