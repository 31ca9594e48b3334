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
 * What a training run takes, before it is made: parameters, operations, memory, exchange, time, energy.
 *
 * @param recompute what the backward pass computes again, on which the memory depends
 * @param tokens that training sees
 * @param updates that see them
 * @param tokensPerUpdate in the whole batch
 * @param parameters by component
 * @param flopsPerToken of the forward pass, by part
 * @param publishedZettaflops by the study's formula, which counts recomputation and leaves out the router
 * @param publishedWithoutRecomputationZettaflops by the same formula, nothing computed twice
 * @param exactZettaflops all products, router and head included, nothing computed twice: what this code does
 * @param exactWithRecomputationZettaflops the same with the layers' forward pass run twice
 * @param memoryOneDevice everything on one device
 * @param memoryPerDevice under the layout
 * @param fits whether the layout's memory is below the device's
 * @param cluster why this layout, and how long its update takes; null where none was searched for
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

    /** Dispatch and combine, forward and backward. */
    private static final int EXCHANGES = 4;

    /**
     * What a plan is made for.
     *
     * @param tokens that training sees
     * @param deviceName of {@link Accelerator}
     * @param devices all of them; each has its own sequences
     * @param expertParallel devices that share one copy of the experts; null, like the next two, for the usual: 1, nothing
     *     sharded, the configuration's micro-batch; on a cluster: for what is the fastest
     * @param shard what of the parameters' state each device keeps a share of only
     * @param microBatch sequences that go through a device's model at a time
     * @param gramsPerKwh CO2 that a kilowatt-hour of the grid causes
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
                throw new TrainException("plan: the grid's " + gramsPerKwh + " g of CO2 per kWh must not be negative");
            }
        }
    }

    /**
     * Bytes that each device sends in an update over its link, and receives as many. Gradients go around a ring: 2 (n −
     * 1) / n of them for n copies, or half of that where each keeps a share only; then parameters are gathered, in the
     * same way. Tokens go to their experts and back, forward and backward, evenly over the devices; where experts have a
     * capacity, every place does.
     *
     * @param gradients of what every device has, and its parameters
     * @param expertGradients of the device's own experts, and their parameters
     * @param expertTokens rows sent to other devices' experts and back
     */
    public record Exchange(long total, long gradients, long expertGradients, long expertTokens) {}

    /**
     * Time and energy at the assumed utilization, in which exchanges are contained.
     *
     * @param secondsPerUpdate of all devices together; null, like all that follows from it, if the layout does not fit or
     *     the peak of the device in the run's precision is not known
     * @param days of the whole run
     * @param deviceDays of the whole run, over all devices
     * @param energyKwh of the devices alone; null where their power is not known
     * @param co2Kg that this energy causes
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
     * The plan of a run with a layout as asked for.
     *
     * @param utilization useful operations per second over the device's peak
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

    /** Sequences at a time of each device: those asked for, or its part of the run's, which training shares out evenly. */
    private static int microBatch(RunConfig run, Request request) {
        int all = run.batch().microBatch();
        int part = all % request.devices() == 0 ? all / request.devices() : all;
        return Objects.requireNonNullElse(request.microBatch(), part);
    }

    /**
     * The plan of a run with the layout that is the fastest on a cluster, and the utilization that it has there.
     *
     * @param recompute what the backward pass computes again; null to search
     * @throws TrainException if no layout fits
     */
    public static Plan onCluster(RunConfig run, Request request, Cluster cluster, @Nullable Recompute recompute) {
        checkExperts(run.model(), request.expertParallel());
        Precision precision = Accelerator.precision(request.deviceName(), run);
        Accelerator device = Accelerator.named(request.deviceName(), precision).sharedBy(request.devices());
        if (!peakKnown(device, precision)) {
            throw new TrainException("plan: the peak of " + device.name() + " is known in 16 bits only, not in "
                    + precision.name() + "; leave --cluster out or --set precision=bf16");
        }
        LayoutSearch search = new LayoutSearch(run.architecture(), precision, device, cluster);
        LayoutSearch.Recommendation found = search.recommend(
                request.devices(),
                run.batch().sequences(),
                new LayoutSearch.Fixed(request.expertParallel(), request.shard(), request.microBatch(), recompute));
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

    /** What a device sends to gather over that many in a ring, in units of what is gathered. */
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
