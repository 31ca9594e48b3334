package dev.moe4j.train;

import dev.moe4j.model.Architecture;
import dev.moe4j.model.Cost;
import dev.moe4j.model.Memory;
import dev.moe4j.model.ModelConfig;
import dev.moe4j.model.ParameterCounts;
import dev.moe4j.tensor.Precision;
import java.util.Locale;
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
        Layout layout,
        MemoryUse memoryOneDevice,
        MemoryUse memoryPerDevice,
        boolean fits,
        Exchange exchange,
        Accelerator device,
        Effort effort) {

    /**
     * What a plan is made for.
     *
     * @param tokens that training sees
     * @param deviceName of {@link Accelerator}
     * @param dataParallel copies of the experts; each has its own sequences
     * @param expertParallel devices that share one copy of the experts; each has its own sequences too
     * @param utilization useful operations per second over the device's peak
     * @param gramsPerKwh CO2 that a kilowatt-hour of the grid causes
     */
    public record Request(
            double tokens,
            String deviceName,
            int dataParallel,
            int expertParallel,
            double utilization,
            double gramsPerKwh) {

        public Request {
            if (!(tokens > 0) || Double.isInfinite(tokens)) {
                throw new TrainException("plan: " + tokens + " tokens are not above 0");
            }
            if (dataParallel < 1 || expertParallel < 1) {
                throw new TrainException("plan: data and expert parallelism must be at least 1");
            }
            if (!(utilization > 0 && utilization <= 1)) {
                throw new TrainException("plan: a utilization of " + utilization + " is not above 0 and at most 1");
            }
            if (!(gramsPerKwh >= 0) || Double.isInfinite(gramsPerKwh)) {
                throw new TrainException("plan: the grid's " + gramsPerKwh + " g of CO2 per kWh must not be negative");
            }
        }

        long devices() {
            return (long) dataParallel * expertParallel;
        }
    }

    /**
     * How the work is spread.
     *
     * @param sequencesPerDevice of each update
     * @param microBatch sequences that go through a device's model at a time
     */
    public record Layout(long devices, int dataParallel, int expertParallel, int sequencesPerDevice, int microBatch) {}

    /** Bytes of tensors, by cause; see {@link Memory}. */
    public record MemoryUse(
            long total,
            long weights,
            long gradients,
            long optimizer,
            long workingCopy,
            long tables,
            long activations,
            long working,
            long exchange) {

        private static MemoryUse of(Memory memory) {
            return new MemoryUse(
                    memory.total(),
                    memory.weights(),
                    memory.gradients(),
                    memory.optimizer(),
                    memory.workingCopy(),
                    memory.tables(),
                    memory.activations(),
                    memory.working(),
                    memory.exchange());
        }
    }

    /**
     * Bytes that each device sends in an update over its link, and receives as many. Gradients go around a ring: 2 (n −
     * 1) / n of them for n copies. Tokens go to their experts and back, forward and backward, evenly over the devices.
     *
     * @param gradients of what every device has
     * @param expertGradients of the device's own experts
     * @param expertTokens rows sent to other devices' experts and back
     */
    public record Exchange(long total, long gradients, long expertGradients, long expertTokens) {}

    /**
     * Time and energy at the assumed utilization, in which exchanges are contained.
     *
     * @param secondsPerUpdate of all devices together; null, like all that follows from it, where the peak of the device
     *     in the run's precision is not known
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

    /** The plan of a run. */
    public static Plan of(RunConfig run, Request request) {
        Architecture architecture = run.architecture();
        ModelConfig model = architecture.model();
        checkExperts(model, request.expertParallel());
        Precision precision = Accelerator.precision(request.deviceName(), run);
        Accelerator device = Accelerator.named(request.deviceName(), precision);
        Cost cost = Cost.of(architecture);
        BatchConfig batch = run.batch();
        long tokensPerUpdate = (long) batch.sequences() * model.context();
        int perDevice = (int) Math.ceilDiv((long) batch.sequences(), request.devices());
        Layout layout = new Layout(
                request.devices(),
                request.dataParallel(),
                request.expertParallel(),
                perDevice,
                Math.min(perDevice, batch.microBatch()));
        Memory shared = memory(run, precision, device, layout.microBatch(), request.expertParallel());
        return new Plan(
                run.preset(),
                precision.name(),
                run.recompute().name().toLowerCase(Locale.ROOT),
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
                MemoryUse.of(memory(run, precision, device, batch.microBatch(), 1)),
                MemoryUse.of(shared),
                shared.total() < device.memoryBytes(),
                exchange(architecture, precision, layout),
                device,
                effort(cost, tokensPerUpdate, precision, device, request));
    }

    private static void checkExperts(ModelConfig model, int expertParallel) {
        if (expertParallel > 1 && (model.experts() == 0 || model.experts() % expertParallel != 0)) {
            throw new TrainException("plan: " + model.experts() + " experts cannot be shared evenly by "
                    + expertParallel + " devices; choose an expert parallelism that divides them");
        }
    }

    private static Memory memory(
            RunConfig run, Precision precision, Accelerator device, int sequences, int expertParallel) {
        Memory.Load load = new Memory.Load(sequences, expertParallel, !device.isCpu(), run.recompute());
        return Memory.of(run.architecture(), precision, load);
    }

    private static Exchange exchange(Architecture architecture, Precision precision, Layout layout) {
        ModelConfig model = architecture.model();
        ParameterCounts parameters = ParameterCounts.of(architecture);
        double wire = precision.wire().bytes();
        double experts = (double) parameters.experts().total();
        double everywhere = (double) parameters.total() - experts;
        double away = 1 - 1.0 / layout.expertParallel();
        double rows = (double) layout.sequencesPerDevice()
                * model.context()
                * architecture.routing().topK()
                * model.moeLayers();
        long gradients = Math.round(ring((double) layout.devices()) * everywhere * wire);
        long expertGradients = Math.round(ring(layout.dataParallel()) * experts / layout.expertParallel() * wire);
        long tokens =
                Math.round(4 * away * rows * model.width() * precision.compute().bytes());
        return new Exchange(gradients + expertGradients + tokens, gradients, expertGradients, tokens);
    }

    /** What a device sends to sum over that many in a ring, in units of what is summed. */
    private static double ring(double devices) {
        return 2 * (devices - 1) / devices;
    }

    private static Effort effort(
            Cost cost, long tokensPerUpdate, Precision precision, Accelerator device, Request request) {
        boolean known = device.isCpu() || precision.compute().bytes() == 2;
        if (!known) {
            return new Effort(request.utilization(), request.gramsPerKwh(), null, null, null, null, null);
        }
        double rate = device.flopsPerSecond() * request.utilization();
        double deviceSeconds = cost.trainingFlopsPerToken() * request.tokens() / rate;
        double deviceDays = deviceSeconds / 86_400;
        Double watts = device.watts();
        Double energy = watts == null ? null : watts * deviceSeconds / 3.6e6;
        return new Effort(
                request.utilization(),
                request.gramsPerKwh(),
                cost.trainingFlopsPerToken() * tokensPerUpdate / rate / request.devices(),
                deviceDays / request.devices(),
                deviceDays,
                energy,
                energy == null ? null : energy * request.gramsPerKwh() / 1000);
    }
}
