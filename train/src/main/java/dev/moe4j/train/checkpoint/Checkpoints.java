package dev.moe4j.train.checkpoint;

import dev.moe4j.model.checkpoint.CheckpointStep;
import java.nio.file.Path;

/** Where a run's checkpoints go. */
public sealed interface Checkpoints extends AutoCloseable permits CheckpointSaver, Checkpoints.Following {

    /** Says that a checkpoint of that step is there already: the one that the run was resumed from. */
    void resumedFrom(CheckpointStep checkpoint);

    /** Copies the model, once no earlier copy is left to be written. The caller passes the copy to {@link #save}. */
    Snapshot copy(Snapshot.Source source);

    /** Has a copy written with the state of its step, and closes the copy. */
    void save(Snapshot snapshot, TrainingState state);

    /** Whether the newest checkpoint, which may still be written, is that step's. */
    boolean has(long step);

    /** Waits a moment for a checkpoint that is being written; whether it still is. */
    boolean stillWriting();

    /**
     * Waits until everything is written.
     *
     * @return the newest checkpoint
     */
    Path finish();

    /** Words for where one can go on from when training fails. */
    String lastGood();

    /** Seconds that training has waited for checkpoints since this was last asked. */
    double takeStalledSeconds();

    @Override
    void close();

    /** Those of a process that gives the first one its part and writes nothing. */
    final class Following implements Checkpoints {

        private final Path run;
        private long last = -1;

        public Following(Path run) {
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
