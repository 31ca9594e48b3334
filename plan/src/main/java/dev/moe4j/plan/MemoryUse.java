package dev.moe4j.plan;

import dev.moe4j.model.cost.MemoryEstimate;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.RunConfig;

/**
 * Bytes of tensors on one device, by cause; {@link MemoryEstimate} describes the parts.
 *
 * @param sharding parameters gathered for use, and gradients on their way to the processes that own them
 */
public record MemoryUse(
        long total,
        long weights,
        long gradients,
        long optimizer,
        long workingCopy,
        long tables,
        long activations,
        long working,
        long exchange,
        long sharding) {

    /** Sections whose parameters are gathered at the same time: the current one and the next. */
    private static final int GATHERED = 2;

    /** Estimates the memory of each process in a run with one device per process. */
    public static MemoryUse of(RunConfig run, Precision precision, int processes, Device device) {
        BatchConfig batch = run.batch();
        DeviceLayout layout = DeviceLayout.of(
                processes,
                run.parallel().expert(),
                run.parallel().shard(),
                batch.sequences() / processes,
                batch.microBatch() / processes,
                run.recompute());
        return of(run.architecture(), precision, layout, device.isCuda());
    }

    /**
     * Estimates the memory of a device under a layout.
     *
     * @param cuda whether the device is a GPU
     */
    static MemoryUse of(Architecture architecture, Precision precision, DeviceLayout layout, boolean cuda) {
        return of(
                MemoryEstimate.of(architecture, precision, layout.load(cuda)),
                architecture.model(),
                ParameterCounts.of(architecture),
                precision,
                layout);
    }

    /**
     * Derives the memory under a layout from the unsharded memory. Sharded state is divided among all devices, and the
     * experts' state among the devices that hold the same experts.
     */
    static MemoryUse of(
            MemoryEstimate whole,
            ModelConfig model,
            ParameterCounts parameters,
            Precision precision,
            DeviceLayout layout) {
        double experts = (double) parameters.experts().total() / layout.expertParallel();
        long master = precision.master().bytes();
        long compute = precision.compute().bytes();
        Sharding shard = layout.shard();
        // Products use the master weights directly if the types match. If the master weights are sharded and the
        // parameters are not, products need an unsharded working copy.
        boolean own = whole.workingCopy() == 0 && shard != Sharding.NONE && !shard.includes(Sharding.PARAMETERS);
        long ofExperts = Math.round(experts * master);
        long copy = own
                ? (layout.devices() > 1 ? whole.weights() - ofExperts : 0) + (layout.dataParallel() > 1 ? ofExperts : 0)
                : whole.workingCopy();
        Shares shares = new Shares(layout, experts);
        MemoryUse use = new MemoryUse(
                0,
                shares.of(whole.weights(), master, Sharding.OPTIMIZER),
                shares.of(whole.gradients(), precision.accumulate().bytes(), Sharding.GRADIENTS),
                shares.of(whole.optimizer(), 2 * master, Sharding.OPTIMIZER),
                shares.of(copy, compute, Sharding.PARAMETERS),
                whole.tables(),
                whole.activations(),
                whole.working(),
                whole.exchange(),
                buffers(model, parameters, precision, layout));
        return use.summed();
    }

    /**
     * Computes a device's shard of state that has a fixed size per parameter.
     *
     * @param experts number of parameters of the device's experts
     */
    private record Shares(DeviceLayout layout, double experts) {
        long of(long bytes, long bytesEach, Sharding level) {
            if (bytes == 0 || !layout.shard().includes(level)) {
                return bytes;
            }
            double ofExperts = experts * bytesEach;
            return Math.round((bytes - ofExperts) / layout.devices() + ofExperts / layout.dataParallel());
        }
    }

    /**
     * The buffers of sharding: the largest section's gradient and, with sharded parameters, two sections of parameters.
     */
    private static long buffers(
            ModelConfig model, ParameterCounts parameters, Precision precision, DeviceLayout layout) {
        double largest = 0;
        if (layout.devices() > 1) {
            double attention = (double) parameters.attention().total() / model.layers();
            double networks = model.layers() - model.moeLayers();
            double network = networks == 0 ? 0 : parameters.ffn().total() / networks;
            double shared =
                    model.moeLayers() == 0 ? 0 : (double) parameters.shared().total() / model.moeLayers();
            double table = (double) model.vocabulary() * model.width();
            largest = Math.max(Math.max(attention, table), Math.max(network, shared));
        }
        if (layout.dataParallel() > 1 && model.moeLayers() > 0) {
            double experts = (double) parameters.experts().total() / layout.expertParallel() / model.moeLayers();
            largest = Math.max(largest, experts);
        }
        Sharding shard = layout.shard();
        double gradients =
                shard.includes(Sharding.GRADIENTS) ? precision.accumulate().bytes() : 0;
        double gathered = shard.includes(Sharding.PARAMETERS)
                ? GATHERED * precision.compute().bytes()
                : 0;
        return Math.round(largest * (gradients + gathered));
    }

    private MemoryUse summed() {
        long sum = weights + gradients + optimizer + workingCopy + tables + activations + working + exchange + sharding;
        return new MemoryUse(
                sum, weights, gradients, optimizer, workingCopy, tables, activations, working, exchange, sharding);
    }
}
