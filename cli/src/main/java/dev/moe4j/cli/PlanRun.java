package dev.moe4j.cli;

import dev.moe4j.model.ParameterCounts;
import dev.moe4j.train.Plan;
import dev.moe4j.train.RunConfig;
import java.io.PrintWriter;
import java.util.List;

/** What {@link PlanCommand} does, apart from it so that {@code --help} loads nothing of it. */
record PlanRun(
        Output output,
        String model,
        List<String> overrides,
        double tokens,
        String deviceName,
        int dataParallel,
        int expertParallel,
        double utilization,
        double grid) {

    int run() {
        Plan plan = Plan.of(
                RunConfig.read(model, overrides),
                new Plan.Request(tokens, deviceName, dataParallel, expertParallel, utilization, grid));
        output.print(plan, to -> print(plan, to));
        return 0;
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

        to.printf("%n%-16s %22s %22s%n", "ZFLOPs", "without recomputation", "with recomputation");
        to.printf(
                "%-16s %22.5f %22.5f%n",
                "published", plan.publishedWithoutRecomputationZettaflops(), plan.publishedZettaflops());
        to.printf("%-16s %22.5f %22.5f%n", "exact", plan.exactZettaflops(), plan.exactWithRecomputationZettaflops());

        Plan.MemoryUse one = plan.memoryOneDevice();
        Plan.MemoryUse each = plan.memoryPerDevice();
        to.printf(
                "%n%-16s %22s %22s   (recompute: %s)%n",
                "memory, GiB", "one device", "each of " + plan.layout().devices(), plan.recompute());
        memory(to, "weights", one.weights(), each.weights());
        memory(to, "gradients", one.gradients(), each.gradients());
        memory(to, "optimizer", one.optimizer(), each.optimizer());
        memory(to, "working copy", one.workingCopy(), each.workingCopy());
        memory(to, "tables", one.tables(), each.tables());
        memory(to, "activations", one.activations(), each.activations());
        memory(to, "working space", one.working(), each.working());
        memory(to, "exchange", one.exchange(), each.exchange());
        memory(to, "all", one.total(), each.total());

        Plan.Layout layout = plan.layout();
        to.printf(
                "%n%d x %s (data parallel %d, expert parallel %d): %d sequences an update each, %d at a time; %s%n",
                layout.devices(),
                plan.device().name(),
                layout.dataParallel(),
                layout.expertParallel(),
                layout.sequencesPerDevice(),
                layout.microBatch(),
                plan.fits()
                        ? "it fits"
                        : "it does not fit into %.0f GiB"
                                .formatted(gib(plan.device().memoryBytes())));
        Plan.Exchange exchange = plan.exchange();
        to.printf(
                "each sends %.3f GiB an update: gradients %.3f, experts' gradients %.3f, tokens to experts %.3f%n",
                gib(exchange.total()),
                gib(exchange.gradients()),
                gib(exchange.expertGradients()),
                gib(exchange.expertTokens()));
        effort(plan.effort(), to);
    }

    private static void effort(Plan.Effort effort, PrintWriter to) {
        if (effort.secondsPerUpdate() == null) {
            to.println("time and energy: not known, since the device's peak is that of 16 bits");
            return;
        }
        to.printf(
                "at %.0f %% of the peak: %.3f s an update, %,.1f days, %,.1f device-days%n",
                100 * effort.utilization(), effort.secondsPerUpdate(), effort.days(), effort.deviceDays());
        if (effort.energyKwh() != null) {
            to.printf(
                    "%,.0f kWh, %,.0f kg of CO2 at %.0f g per kWh%n",
                    effort.energyKwh(), effort.co2Kg(), effort.gridGramsPerKwh());
        }
    }

    private static void count(PrintWriter to, String name, ParameterCounts.Count count) {
        to.printf("%-16s %,22d %,22d%n", name, count.total(), count.active());
    }

    private static void memory(PrintWriter to, String name, long one, long each) {
        to.printf("%-16s %,22.3f %,22.3f%n", name, gib(one), gib(each));
    }

    private static double gib(long bytes) {
        return bytes / (double) (1L << 30);
    }
}
