package dev.moe4j.cli.plan;

import dev.moe4j.config.ConfigReader;
import dev.moe4j.console.option.RunOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.output.Units;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.plan.Cluster;
import dev.moe4j.plan.DeviceLayout;
import dev.moe4j.plan.MemoryUse;
import dev.moe4j.plan.Plan;
import dev.moe4j.train.config.RunConfig;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs {@link PlanCommand}. Separate from the command, whose class loads with every {@code --help}. */
record PlanRun(
        Output output,
        String model,
        List<String> overrides,
        double tokens,
        String deviceName,
        @Nullable Integer devices,
        @Nullable Integer dataParallel,
        @Nullable Integer microBatch,
        @Nullable String cluster,
        List<String> clusterOverrides,
        double utilization,
        double grid) {

    private static final double ZETTA = 1e21;
    private static final double DAY_SECONDS = 86_400;

    int run() {
        RunConfig run = RunOptions.read(output, model, overrides);
        Plan plan = cluster == null
                ? output.usage(() -> Plan.of(
                        run,
                        request(run, run.parallel().expert(), run.parallel().shard()),
                        utilization))
                : onCluster(run, cluster);
        output.print(plan, to -> print(plan, to));
        return 0;
    }

    /** Searches the layout and the recomputation, except for the choices that the user fixed. */
    private Plan onCluster(RunConfig run, String file) {
        boolean copies = dataParallel != null;
        Integer expert = copies || isSet("parallel.expert")
                ? Integer.valueOf(run.parallel().expert())
                : null;
        Plan.Request request =
                request(run, expert, isSet("parallel.shard") ? run.parallel().shard() : null);
        Cluster connected = cluster(file, request.devices());
        Recompute recompute = isSet("recompute") ? run.recompute() : null;
        return output.usage(() -> Plan.onCluster(run, request, connected, recompute));
    }

    /** Reads the cluster: defaults for the device, overridden by the file and by {@code --set}. */
    private Cluster cluster(String file, int all) {
        return file.isEmpty()
                ? output.usage(() -> Cluster.read(deviceName, all, null, clusterOverrides))
                : Cluster.read(deviceName, all, Path.of(file), clusterOverrides);
    }

    private Plan.Request request(RunConfig run, @Nullable Integer expert, @Nullable Sharding level) {
        int all = devices(run.parallel().expert());
        return output.usage(() -> new Plan.Request(tokens, deviceName, all, expert, level, microBatch, grid));
    }

    /** Whether the user set this key. */
    private boolean isSet(String key) {
        return overrides.stream().anyMatch(text -> ConfigReader.sets(text, key));
    }

    /**
     * Returns the total number of devices.
     *
     * @param expertParallel the expert parallel size
     */
    private int devices(int expertParallel) {
        if (devices == null) {
            return Math.multiplyExact(dataParallel != null ? dataParallel : 1, expertParallel);
        }
        boolean product =
                dataParallel != null ? (long) dataParallel * expertParallel == devices : devices % expertParallel == 0;
        if (!product) {
            throw output.wrongUsage(
                    "--devices " + devices + " is not --data-parallel times parallel.expert " + expertParallel);
        }
        return devices;
    }

    private static void print(Plan plan, PrintWriter to) {
        to.printf(
                "%s in %s: %,.0f tokens, %,d updates of %,d tokens%n",
                plan.preset(), plan.precision(), plan.tokens(), plan.updates(), plan.tokensPerUpdate());
        ParameterCounts parts = plan.parameters();
        to.printf("%n%-16s %22s %22s%n", "parameters", "total", "active");
        count(to, "embedding", parts.embedding());
        count(to, "attention", parts.attention());
        count(to, "norms", parts.norms());
        count(to, "ffn", parts.ffn());
        count(to, "router", parts.router());
        count(to, "experts", parts.experts());
        count(to, "shared", parts.shared());
        to.printf("%-16s %,22d %,22d%n", "all", plan.parametersTotal(), plan.parametersActive());

        to.printf("%n%-16s %22s %22s%n", "training compute", "without recomputation", "with recomputation");
        compute(to, "published", plan.publishedWithoutRecomputationZettaflops(), plan.publishedZettaflops());
        compute(to, "exact", plan.exactZettaflops(), plan.exactWithRecomputationZettaflops());

        MemoryUse one = plan.memoryOneDevice();
        MemoryUse each = plan.memoryPerDevice();
        to.printf(
                "%n%-16s %22s %22s   (recompute: %s)%n",
                "memory", "one device", "each of " + plan.layout().devices(), plan.recompute());
        memory(to, "weights", one.weights(), each.weights());
        memory(to, "gradients", one.gradients(), each.gradients());
        memory(to, "optimizer", one.optimizer(), each.optimizer());
        memory(to, "working copy", one.workingCopy(), each.workingCopy());
        memory(to, "tables", one.tables(), each.tables());
        memory(to, "activations", one.activations(), each.activations());
        memory(to, "working space", one.working(), each.working());
        memory(to, "exchange", one.exchange(), each.exchange());
        memory(to, "sharding", one.sharding(), each.sharding());
        memory(to, "all", one.total(), each.total());

        DeviceLayout layout = plan.layout();
        to.printf(
                "%n%d x %s (data parallel %d, expert parallel %d, shard %s): %d sequences per device and "
                        + "update, micro-batch %d; %s%n",
                layout.devices(),
                plan.device().name(),
                layout.dataParallel(),
                layout.expertParallel(),
                layout.shard(),
                layout.sequencesPerDevice(),
                layout.microBatch(),
                plan.fits()
                        ? "it fits"
                        : "it does not fit into " + Units.bytes(plan.device().memoryBytes()));
        Plan.Exchange exchange = plan.exchange();
        to.printf(
                "each sends %s per update: gradients and parameters %s, experts' gradients %s, tokens to experts %s%n",
                Units.bytes(exchange.total()),
                Units.bytes(exchange.gradients()),
                Units.bytes(exchange.expertGradients()),
                Units.bytes(exchange.expertTokens()));
        effort(plan, to);
        if (plan.cluster() != null) {
            ClusterLines.print(plan, plan.cluster(), to);
        }
    }

    private static void effort(Plan plan, PrintWriter to) {
        Plan.Effort effort = plan.effort();
        if (effort.secondsPerUpdate() == null || effort.days() == null || effort.deviceDays() == null) {
            to.println(
                    plan.fits()
                            ? "time and energy: unknown, since the device's peak is known in 16 bits only"
                            : "time and energy: none, since the layout does not fit; --devices N --cluster "
                                    + "finds one that"
                                    + " does");
            return;
        }
        Units.Amount devices = Units.duration(DAY_SECONDS * effort.deviceDays());
        to.printf(
                "at %.0f %% of the peak: %s per update, %s in total, %s%n",
                100 * effort.utilization(),
                Units.duration(effort.secondsPerUpdate()),
                Units.duration(DAY_SECONDS * effort.days()),
                new Units.Amount(devices.value(), "device-" + devices.unit()));
        if (effort.energyKwh() != null && effort.co2Kg() != null) {
            to.printf(
                    "%s, %s of CO2 at %.0f g per kWh%n",
                    Units.energy(effort.energyKwh()), Units.mass(effort.co2Kg()), effort.gridGramsPerKwh());
        }
    }

    private static void compute(PrintWriter to, String name, double without, double with) {
        to.printf("%-16s %22s %22s%n", name, Units.flops(ZETTA * without), Units.flops(ZETTA * with));
    }

    private static void count(PrintWriter to, String name, ParameterCounts.Count count) {
        to.printf("%-16s %,22d %,22d%n", name, count.total(), count.active());
    }

    private static void memory(PrintWriter to, String name, long one, long each) {
        to.printf("%-16s %22s %22s%n", name, Units.bytes(one), Units.bytes(each));
    }

    static double gib(long bytes) {
        return bytes / (double) (1L << 30);
    }
}
