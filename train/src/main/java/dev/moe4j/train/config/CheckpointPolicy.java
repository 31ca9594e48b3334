package dev.moe4j.train.config;

/**
 * When a run writes checkpoints and which of them it keeps. Configuration keys are these names in snake case under
 * {@code checkpoint}. The last step always gets a checkpoint.
 *
 * @param every steps between two checkpoints; 0 writes only the last
 * @param keep number of newest checkpoints to keep; 0 keeps all
 * @param keepEvery checkpoints whose step is a multiple of this are kept permanently; 0 keeps none for this reason
 * @param keepBest whether a step with the best validation loss so far gets a checkpoint, which is kept until a better
 *     one is written
 */
public record CheckpointPolicy(long every, int keep, long keepEvery, boolean keepBest) {

    public static final CheckpointPolicy DEFAULT = new CheckpointPolicy(1000, 2, 0, true);

    public CheckpointPolicy {
        if (every < 0 || keep < 0 || keepEvery < 0) {
            throw new TrainException("checkpoint: every, keep and keep_every must not be negative");
        }
    }

    public boolean due(long step) {
        return every > 0 && step % every == 0;
    }

    /**
     * Whether a checkpoint is kept.
     *
     * @param rank its position from the newest, which has rank 0
     * @param best whether its step has the best validation loss
     */
    public boolean keeps(long step, int rank, boolean best) {
        return keep == 0 || rank < keep || (keepEvery > 0 && step % keepEvery == 0) || (keepBest && best);
    }
}
