package dev.moe4j.plan;

import dev.moe4j.model.cost.MemoryEstimate;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;

/**
 * How an update's work is spread over devices.
 *
 * @param devices all of them; each has its own sequences
 * @param dataParallel copies of the experts
 * @param expertParallel devices that share one copy of the experts
 * @param shard what of the parameters' state each device keeps a share of only
 * @param sequencesPerDevice of each update
 * @param microBatch sequences that go through a device's model at a time
 * @param recompute what the backward pass computes again
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
     * What a device holds of a micro-batch.
     *
     * @param cuda whether it is a GPU
     */
    MemoryEstimate.Load load(boolean cuda) {
        return new MemoryEstimate.Load(microBatch, expertParallel, cuda, recompute);
    }

    /** Micro-batches of an update, the last of which may be smaller. */
    int accumulation() {
        return Math.ceilDiv(sequencesPerDevice, microBatch);
    }

    /**
     * How often an update's gradients go around a ring, so that each member has its part of their sum. Without shards they
     * go around twice, so that each has all of it.
     */
    int reductions() {
        return switch (shard) {
            case NONE -> 2;
            case OPTIMIZER -> 1;
            case GRADIENTS, PARAMETERS -> accumulation();
        };
    }

    /** How often parameters are gathered while they are used: for each forward and each backward pass. */
    int gathersDuringPasses() {
        return shard == Sharding.PARAMETERS ? 2 * accumulation() : 0;
    }

    /** How often parameters are gathered from those who updated them. */
    int gathersAfterUpdate() {
        return shard == Sharding.OPTIMIZER || shard == Sharding.GRADIENTS ? 1 : 0;
    }
}
