package dev.moe4j.train.metrics;

import java.nio.file.Path;
import java.util.SequencedMap;
import java.util.function.Consumer;

/**
 * Receives the events of a training run. All methods are called by the training thread, which waits for them. An exception
 * ends the run after the step's checkpoint, if one is due, has been written.
 *
 * <p>With several processes, each process calls its own listeners; {@link #onReport} and {@link #onCheckpoint} are called
 * in the first process only.
 *
 * <pre>{@code
 * run.listen(new TrainingListener() {
 *     @Override
 *     public void onStep(TrainingProgress progress) {
 *         losses.add(progress.result().loss());
 *     }
 * });
 * }</pre>
 */
public interface TrainingListener {

    /**
     * The run is about to make its first step, or its first step after it was resumed.
     *
     * @param done the number of finished steps
     * @param steps the length of the complete run in steps
     */
    default void onStart(long done, long steps) {}

    /** A step is done, and its validation, if one was due. */
    default void onStep(TrainingProgress progress) {}

    /** A step was validated.
     *
     * @param losses each validation set's loss in nats per token, by name
     */
    default void onEvaluation(long step, SequencedMap<String, Double> losses) {}

    /** A step's metrics are due, by {@code log.every}, after a validation, or because it is the last step. */
    default void onReport(TrainingReport report) {}

    /** A checkpoint is complete. Another thread wrote it, so later steps may be done. */
    default void onCheckpoint(Path checkpoint) {}

    /** A message to the user: a warning, the precision chosen, the checkpoint that was resumed. */
    default void onNotice(String message) {}

    /**
     * The run has ended and its last checkpoint is complete. Not called if the run fails.
     *
     * @param step the number of finished steps
     */
    default void onEnd(long step, Path checkpoint) {}

    /** A listener that receives each step's progress. */
    static TrainingListener ofSteps(Consumer<TrainingProgress> receiver) {
        return new TrainingListener() {
            @Override
            public void onStep(TrainingProgress progress) {
                receiver.accept(progress);
            }
        };
    }

    /** A listener that receives messages to the user. */
    static TrainingListener ofNotices(Consumer<String> receiver) {
        return new TrainingListener() {
            @Override
            public void onNotice(String message) {
                receiver.accept(message);
            }
        };
    }
}
