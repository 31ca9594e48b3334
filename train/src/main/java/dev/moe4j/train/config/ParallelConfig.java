package dev.moe4j.train.config;

import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.parallel.DistributedRun;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.DType;

/**
 * How a run is divided among its processes (data parallel, expert parallel, sharded optimizer). Configuration keys are
 * these names in snake case under {@code parallel}.
 *
 * @param expert expert parallelism: the number of processes that the experts are sharded over
 * @param shard which state is sharded over the data parallel processes (ZeRO): none, optimizer, gradients or parameters
 * @param wire the type in which tokens travel in the all-to-all exchanges with the experts; used if it is narrower than
 *     the compute type
 * @param overlap whether the all-to-all of one half of the tokens overlaps the experts' computation of the other half
 * @param expertGradients the divisor of the experts' gradients
 */
public record ParallelConfig(int expert, Sharding shard, Wire wire, boolean overlap, ExpertGradients expertGradients) {

    public ParallelConfig {
        if (expert < 1) {
            throw new TrainException("parallel.expert: " + expert + " is too small; use at least 1");
        }
    }

    /** The types that tokens can be sent in. */
    public enum Wire {
        FP32,
        BF16
    }

    public static final ParallelConfig DEFAULT =
            new ParallelConfig(1, Sharding.NONE, Wire.FP32, false, ExpertGradients.EXACT);

    /**
     * Connects the processes of a run.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if the processes cannot be divided as configured
     */
    public ParallelContext connect(DistributedRun processes) {
        ParallelContext context = ParallelContext.of(processes, expert, shard);
        if (wire == Wire.BF16) {
            context = context.withRowsAs(DType.BFLOAT16);
        }
        return overlap ? context.withOverlap() : context;
    }
}
