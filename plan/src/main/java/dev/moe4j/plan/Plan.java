package dev.moe4j.plan;

import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.cost.DeviceRows;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The estimated cost of a training run before it starts: parameters, operations, memory, communication, time and
 * energy.
 *
 * @param recompute the kind of activation recomputation
 * @param tokens training tokens
 * @param updates optimizer updates for these tokens
 * @param tokensPerUpdate tokens in the whole batch
 * @param parameters parameter counts by component
 * @param flopsPerToken floating-point operations of the forward pass per token, by part
 * @param publishedZettaflops training operations by the study's formula, which counts recomputation and leaves out the
 *     router
 * @param publishedWithoutRecomputationZettaflops the same formula without recomputation
 * @param exactZettaflops operations of all products, with router and head and without recomputation
 * @param exactWithRecomputationZettaflops the same with the layers' forward pass computed twice
 * @param layout how the work is spread over devices
 * @param memoryOneDevice memory if everything is on one device
 * @param memoryPerDevice memory per device under the layout
 * @param fits whether the layout's memory is below the device's
 * @param exchange communication of each device in an update
 * @param cluster the reason for this layout and the modelled time of its update; null if no layout was searched
 */
public record Plan(
        String preset,
        String precision,
        String recompute,
        double tokens,
        long updates,
        long tokensPerUpdate,
        long parametersTotal,
        long parametersActive,
        ParameterCounts parameters,
        Cost.Forward flopsPerToken,
        double publishedZettaflops,
        double publishedWithoutRecomputationZettaflops,
        double exactZettaflops,
        double exactWithRecomputationZettaflops,
        DeviceLayout layout,
        MemoryUse memoryOneDevice,
        MemoryUse memoryPerDevice,
        boolean fits,
        Exchange exchange,
        Accelerator device,
        Effort effort,
        @Nullable ClusterPlan cluster) {

    /** All-to-all exchanges per MoE layer: dispatch and combine, forward and backward. */
    private static final int EXCHANGES = 4;

    /**
     * The question that a plan answers.
     *
     * @param tokens training tokens
     * @param deviceName name of an {@link Accelerator}
     * @param devices number of devices; with data parallel training each has its own sequences
     * @param expertParallel expert parallelism: devices that share one copy of the experts. Null for the default, as
     *     for the next two: 1, no sharding, and the configuration's micro-batch; on a cluster, the fastest choice
     * @param shard which state is sharded over the devices (ZeRO)
     * @param microBatch sequences that pass through a device's model at a time
     * @param gramsPerKwh CO2 emissions of the grid, in grams per kilowatt-hour
     */
    public record Request(
            double tokens,
            String deviceName,
            int devices,
            @Nullable Integer expertParallel,
            @Nullable Sharding shard,
            @Nullable Integer microBatch,
            double gramsPerKwh) {

        public Request {
            if (!(tokens > 0) || Double.isInfinite(tokens)) {
                throw new TrainException("plan: " + tokens + " tokens are not above 0");
            }
            if (devices < 1 || (expertParallel != null && (expertParallel < 1 || devices % expertParallel != 0))) {
                throw new TrainException("plan: " + devices + " devices are not a multiple of an expert parallelism of "
                        + expertParallel);
            }
            if (microBatch != null && microBatch < 1) {
                throw new TrainException("plan: a micro-batch of " + microBatch + " sequences is not at least 1");
            }
            if (!(gramsPerKwh >= 0) || Double.isInfinite(gramsPerKwh)) {
                throw new TrainException("plan: " + gramsPerKwh + " g of CO2 per kWh must not be negative");
            }
        }
    }

    /**
     * Bytes that each device sends over its link in an update; it receives the same number. Gradients go around a ring.
     * An all-reduce over n copies sends 2 (n − 1) / n of them; a reduce-scatter for sharded state sends half of that.
     * The parameters are then gathered in the same way. Tokens go to their experts and back by all-to-all, forward and
     * backward, evenly over the devices. If experts have a capacity, empty places are sent too.
     *
     * @param gradients gradients and parameters that every device holds
     * @param expertGradients gradients and parameters of the device's own experts
     * @param expertTokens tokens sent to other devices' experts and back
     */
    public record Exchange(long total, long gradients, long expertGradients, long expertTokens) {}

    /**
     * Time and energy at a given utilization, which includes the communication.
     *
     * @param utilization model FLOPs utilization, from 0 to 1
     * @param gridGramsPerKwh CO2 emissions of the grid, in grams per kilowatt-hour
     * @param secondsPerUpdate seconds of an update on all devices. Null, like all values that depend on it, if the
     *     layout does not fit or the device's peak in this precision is not known
     * @param days duration of the whole run
     * @param deviceDays device time of the whole run, summed over devices
     * @param energyKwh energy of the devices alone; null if their power is not known
     * @param co2Kg CO2 emissions of this energy
     */
    public record Effort(
            double utilization,
            double gridGramsPerKwh,
            @Nullable Double secondsPerUpdate,
            @Nullable Double days,
            @Nullable Double deviceDays,
            @Nullable Double energyKwh,
            @Nullable Double co2Kg) {}

    /**
     * Plans a run with a given layout.
     *
     * @param utilization model FLOPs utilization: useful operations per second over the device's peak
     * @throws TrainException if the request, the layout or the utilization is not valid
     */
    public static Plan of(RunConfig run, Request request, double utilization) {
        if (!(utilization > 0 && utilization <= 1)) {
            throw new TrainException("plan: a utilization of " + utilization + " is not above 0 and at most 1");
        }
        checkExperts(run.model(), request.expertParallel());
        Precision precision = Accelerator.precision(request.deviceName(), run);
        Accelerator device = Accelerator.named(request.deviceName(), precision).sharedBy(request.devices());
        int perDevice = Math.ceilDiv(run.batch().sequences(), request.devices());
        DeviceLayout layout = DeviceLayout.of(
                request.devices(),
                Objects.requireNonNullElse(request.expertParallel(), 1),
                Objects.requireNonNullElse(request.shard(), Sharding.NONE),
                perDevice,
                Math.min(perDevice, microBatch(run, request)),
                run.recompute());
        return of(run, request, precision, device, layout, utilization, null);
    }

    /** Sequences per device in a micro-batch: the requested number, or the device's share of the run's micro-batch. */
    private static int microBatch(RunConfig run, Request request) {
        int all = run.batch().microBatch();
        int part = all % request.devices() == 0 ? all / request.devices() : all;
        return Objects.requireNonNullElse(request.microBatch(), part);
    }

    /**
     * Plans a run with the fastest layout on a cluster, and with the utilization that the layout reaches there.
     *
     * @param recompute the kind of activation recomputation; null to search
     * @throws TrainException if no layout fits
     */
    public static Plan onCluster(RunConfig run, Request request, Cluster cluster, @Nullable Recompute recompute) {
        checkExperts(run.model(), request.expertParallel());
        Precision precision = Accelerator.precision(request.deviceName(), run);
        Accelerator device = Accelerator.named(request.deviceName(), precision).sharedBy(request.devices());
        if (!peakKnown(device, precision)) {
            throw new TrainException("plan: the peak of " + device.name() + " is known in 16 bits only, not in "
                    + precision.name() + "; plan without a cluster, or set precision=bf16");
        }
        LayoutSearch search = new LayoutSearch(run.architecture(), precision, device, cluster);
        LayoutSearch.Recommendation found = search.recommend(
                request.devices(),
                run.batch().sequences(),
                new LayoutSearch.Constraints(
                        request.expertParallel(), request.shard(), request.microBatch(), recompute));
        double useful = Cost.of(run.architecture()).trainingFlopsPerToken()
                * found.plan().tokensPerSecond();
        return of(
                run,
                request,
                precision,
                device,
                found.layout(),
                useful / request.devices() / device.flopsPerSecond(),
                found.plan());
    }

    private static Plan of(
            RunConfig run,
            Request request,
            Precision precision,
            Accelerator device,
            DeviceLayout layout,
            double utilization,
            @Nullable ClusterPlan cluster) {
        Architecture architecture = run.architecture();
        Cost cost = Cost.of(architecture);
        BatchConfig batch = run.batch();
        long tokensPerUpdate = (long) batch.sequences() * architecture.model().context();
        MemoryUse shared = MemoryUse.of(architecture, precision, layout, !device.isCpu());
        DeviceLayout one =
                DeviceLayout.of(1, 1, Sharding.NONE, batch.sequences(), batch.microBatch(), layout.recompute());
        int exchanges = cluster == null ? EXCHANGES : cluster.assumptions().exchanges();
        boolean fits = shared.total() < device.memoryBytes();
        return new Plan(
                run.preset(),
                precision.name(),
                layout.recompute().toString(),
                request.tokens(),
                (long) Math.ceil(request.tokens() / tokensPerUpdate),
                tokensPerUpdate,
                cost.parametersTotal(),
                cost.parametersActive(),
                ParameterCounts.of(architecture),
                cost.forward(),
                cost.publishedZettaFlops(request.tokens()),
                cost.publishedZettaFlops(request.tokens(), false),
                cost.zettaFlops(request.tokens()),
                cost.zettaFlops(request.tokens(), true),
                layout,
                MemoryUse.of(architecture, precision, one, !device.isCpu()),
                shared,
                fits,
                exchange(architecture, precision, layout, !device.isCpu(), exchanges),
                device,
                effort(cost, tokensPerUpdate, fits && peakKnown(device, precision), device, utilization, request),
                cluster);
    }

    private static void checkExperts(ModelConfig model, @Nullable Integer expertParallel) {
        if (expertParallel != null
                && expertParallel > 1
                && (model.experts() == 0 || model.experts() % expertParallel != 0)) {
            throw new TrainException("plan: " + model.experts() + " experts cannot be shared evenly by "
                    + expertParallel + " devices; choose a parallel.expert that divides them");
        }
    }

    private static Exchange exchange(
            Architecture architecture, Precision precision, DeviceLayout layout, boolean cuda, int exchanges) {
        ModelConfig model = architecture.model();
        ParameterCounts parameters = ParameterCounts.of(architecture);
        double experts = (double) parameters.experts().total();
        double everywhere = (double) parameters.total() - experts;
        double away = 1 - 1.0 / layout.expertParallel();
        double rows = DeviceRows.of(architecture, precision, layout.load(cuda)).sent()
                * layout.sequencesPerDevice()
                / layout.microBatch()
                * model.moeLayers();
        double bytes = layout.reductions() * (double) precision.accumulate().bytes()
                + (layout.gathersDuringPasses() + layout.gathersAfterUpdate())
                        * (double) precision.compute().bytes();
        long gradients = Math.round(ring(layout.devices()) * everywhere * bytes);
        long expertGradients = Math.round(ring(layout.dataParallel()) * experts / layout.expertParallel() * bytes);
        long tokens = Math.round(
                exchanges * away * rows * model.width() * precision.compute().bytes());
        return new Exchange(gradients + expertGradients + tokens, gradients, expertGradients, tokens);
    }

    /** The share of the gathered bytes that each device sends in a ring of this size. */
    private static double ring(double devices) {
        return (devices - 1) / devices;
    }

    private static boolean peakKnown(Accelerator device, Precision precision) {
        return device.isCpu() || precision.compute().bytes() == 2;
    }

    private static Effort effort(
            Cost cost, long tokensPerUpdate, boolean known, Accelerator device, double utilization, Request request) {
        if (!known) {
            return new Effort(utilization, request.gramsPerKwh(), null, null, null, null, null);
        }
        double rate = device.flopsPerSecond() * utilization;
        double deviceSeconds = cost.trainingFlopsPerToken() * request.tokens() / rate;
        double deviceDays = deviceSeconds / 86_400;
        Double watts = device.watts();
        Double energy = watts == null ? null : watts * deviceSeconds / 3.6e6;
        return new Effort(
                utilization,
                request.gramsPerKwh(),
                cost.trainingFlopsPerToken() * tokensPerUpdate / rate / request.devices(),
                deviceDays / request.devices(),
                deviceDays,
                energy,
                energy == null ? null : energy * request.gramsPerKwh() / 1000);
    }
}
