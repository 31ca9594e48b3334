package dev.moe4j.tensor.parameter;

/**
 * Which part of a {@link ParameterGroup} this process keeps, of several that hold the same unit: its buffers are cut into {@code
 * count} equal pieces, of which the one numbered {@code index} is this process's own.
 *
 * @param count processes that hold the unit
 * @param index this process's number among them, from 0
 * @param states whether each keeps its own piece only of the master and of what the optimizer keeps
 * @param gradients whether each keeps its own piece only of the gradient; only where states are kept so
 * @param work whether each keeps its own piece only of the working copy; only where gradients are kept so
 */
public record ShardSpec(int count, int index, boolean states, boolean gradients, boolean work) {

    /** That of a process which holds its units alone. */
    public static final ShardSpec WHOLE = new ShardSpec(1, 0, false, false, false);

    public ShardSpec {
        if (count < 1 || index < 0 || index >= count || (gradients && !states) || (work && !gradients)) {
            throw new IllegalArgumentException("share %d of %d, states %b, gradients %b, working copy %b"
                    .formatted(index, count, states, gradients, work));
        }
    }
}
