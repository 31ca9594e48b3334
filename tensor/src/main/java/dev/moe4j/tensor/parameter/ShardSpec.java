package dev.moe4j.tensor.parameter;

/**
 * Says which buffers of a {@link ParameterGroup} are sharded over processes, and which shard this process keeps. The flags
 * are the stages of a sharded optimizer (ZeRO, Rajbhandari et al. 2020): stage 1 shards {@code states}, stage 2 also {@code
 * gradients}, stage 3 also {@code work}.
 *
 * @param count the number of processes that hold the group, which is the number of shards
 * @param index the index of this process's shard, from 0
 * @param states whether the master weights and the optimizer's states are sharded
 * @param gradients whether the gradient is sharded; requires {@code states}
 * @param work whether the working copy is sharded; requires {@code gradients}
 */
public record ShardSpec(int count, int index, boolean states, boolean gradients, boolean work) {

    /** An unsharded group that one process holds. */
    public static final ShardSpec WHOLE = new ShardSpec(1, 0, false, false, false);

    public ShardSpec {
        if (count < 1 || index < 0 || index >= count || (gradients && !states) || (work && !gradients)) {
            throw new IllegalArgumentException("invalid shard %d of %d: states %b, gradients %b, working copy %b"
                    .formatted(index, count, states, gradients, work));
        }
    }
}
