package dev.moe4j.train.config;

import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.Processes;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.DType;

/**
 * How a run is divided among its processes. Configuration keys are these names in snake case under {@code parallel}.
 *
 * @param expert over how many processes experts are sharded
 * @param shard what of the parameters' state each process keeps a share of only
 * @param wire the type in which rows travel to experts and back, where it is narrower than theirs
 * @param overlap whether one half of the rows travels while experts compute the other
 * @param expertGradients what experts' gradients are divided by
 */
public record ParallelConfig(int expert, Sharding shard, Wire wire, boolean overlap, ExpertGradients expertGradients) {

    public ParallelConfig {
        if (expert < 1) {
            throw new TrainException("parallel.expert: " + expert + " is too small; use at least 1");
        }
    }

    /** The types that rows may travel in. */
    public enum Wire {
        FP32,
        BF16
    }

    public static final ParallelConfig DEFAULT =
            new ParallelConfig(1, Sharding.NONE, Wire.FP32, false, ExpertGradients.EXACT);

    /**
     * Connects the processes of a run.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if they cannot be divided so
     */
    public ParallelContext connect(Processes processes) {
        ParallelContext fabric = ParallelContext.of(processes, expert, shard);
        if (wire == Wire.BF16) {
            fabric = fabric.withRowsAs(DType.BFLOAT16);
        }
        return overlap ? fabric.withOverlap() : fabric;
    }
}
