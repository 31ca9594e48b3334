package dev.moe4j.train.checkpoint;

import dev.moe4j.model.checkpoint.CheckpointStep;
import java.nio.file.Path;

/**
 * Stores the checkpoints of a run. One implementation writes them; the other only takes part in collecting the
 * parameters.
 */
public sealed interface Checkpoints extends AutoCloseable permits CheckpointSaver, Checkpoints.NonWriting {

    /** Registers the existing checkpoint that the run was resumed from. */
    void resumedFrom(CheckpointStep checkpoint);

    /**
     * Copies the model after the previous copy has been written. All processes must call this together. The caller
     * passes the copy to {@link #save}.
     */
    Snapshot copy(Snapshot.Source source);

    /** Starts to write a copy with the state of its step, and closes the copy afterwards. */
    void save(Snapshot snapshot, TrainingState state);

    /** Whether the newest checkpoint is of this step. It may still be being written. */
    boolean has(long step);

    /**
     * Waits briefly for the checkpoint that is being written.
     *
     * @return whether it is still being written
     */
    boolean stillWriting();

    /**
     * Waits until everything is written.
     *
     * @return the newest checkpoint
     */
    Path finish();

    /** Describes the last complete checkpoint, as the end of an error message. */
    String lastGood();

    /** Returns the seconds that training waited for checkpoints since the previous call. */
    double takeStalledSeconds();

    @Override
    void close();

    /** The checkpoints of a process other than the first. It contributes its shards and writes nothing. */
    final class NonWriting implements Checkpoints {

        private final Path run;
        private long last = -1;

        public NonWriting(Path run) {
            this.run = run;
        }

        @Override
        public void resumedFrom(CheckpointStep checkpoint) {
            last = checkpoint.step();
        }

        @Override
        public Snapshot copy(Snapshot.Source source) {
            return source.snapshot();
        }

        @Override
        public void save(Snapshot snapshot, TrainingState state) {
            snapshot.close();
            last = state.position().step();
        }

        @Override
        public boolean has(long step) {
            return last == step;
        }

        @Override
        public boolean stillWriting() {
            return false;
        }

        @Override
        public Path finish() {
            return CheckpointStep.folder(run, last);
        }

        @Override
        public String lastGood() {
            return "the first process's log names the last good checkpoint";
        }

        @Override
        public double takeStalledSeconds() {
            return 0;
        }

        @Override
        public void close() {}
    }
}
