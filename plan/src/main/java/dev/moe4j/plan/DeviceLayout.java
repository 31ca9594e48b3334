package dev.moe4j.plan;

import dev.moe4j.model.cost.MemoryEstimate;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;

/**
 * How the work of an update is spread over devices.
 *
 * @param devices number of devices; each has its own sequences
 * @param dataParallel copies of the experts
 * @param expertParallel devices that share one copy of the experts
 * @param shard which state is sharded over the devices (ZeRO)
 * @param sequencesPerDevice sequences of each device in an update
 * @param microBatch sequences that pass through a device's model at a time
 * @param recompute the kind of activation recomputation
 */
public record DeviceLayout(
        int devices,
        int dataParallel,
        int expertParallel,
        Sharding shard,
        int sequencesPerDevice,
        int microBatch,
        Recompute recompute) {

    static DeviceLayout of(
            int devices, int expertParallel, Sharding shard, int sequences, int microBatch, Recompute recompute) {
        return new DeviceLayout(
                devices, devices / expertParallel, expertParallel, shard, sequences, microBatch, recompute);
    }

    /**
     * The load of a device in one micro-batch, for the memory estimate.
     *
     * @param cuda whether the device is a GPU
     */
    MemoryEstimate.Load load(boolean cuda) {
        return new MemoryEstimate.Load(microBatch, expertParallel, cuda, recompute);
    }

    /** The number of micro-batches in an update. The last one may be smaller. */
    int accumulation() {
        return Math.ceilDiv(sequencesPerDevice, microBatch);
    }

    /**
     * How often the gradients go around a ring in an update. An all-reduce takes two rounds. A reduce-scatter, for
     * sharded state, takes one.
     */
    int reductions() {
        return switch (shard) {
            case NONE -> 2;
            case OPTIMIZER -> 1;
            case GRADIENTS, PARAMETERS -> accumulation();
        };
    }

    /** How often sharded parameters are gathered during an update: once per forward and once per backward pass. */
    int gathersDuringPasses() {
        return shard == Sharding.PARAMETERS ? 2 * accumulation() : 0;
    }

    /** How often parameters are gathered from the devices that updated them. */
    int gathersAfterUpdate() {
        return shard == Sharding.OPTIMIZER || shard == Sharding.GRADIENTS ? 1 : 0;
    }
}
