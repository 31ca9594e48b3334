package dev.moe4j.train.checkpoint;

import dev.moe4j.base.file.AtomicFolder;
import dev.moe4j.model.checkpoint.CheckpointStep;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.CheckpointPolicy;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.Metrics;
import dev.moe4j.train.metrics.TrainingListener;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * Saves checkpoints in the background. Training waits only for the copy in memory, and for an earlier checkpoint that
 * is still being written. Also deletes checkpoints that the policy does not keep.
 */
public final class CheckpointSaver implements Checkpoints {

    /** Far below the timeout between processes. */
    private static final Duration POLL_INTERVAL = Duration.ofMillis(500);

    private final CheckpointWriter writer;
    private final RunFolder run;
    private final CheckpointPolicy policy;
    private final Metrics metrics;
    private final TrainingListener listener;
    private final ExecutorService thread = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().name("checkpoint-writer").factory());
    private @Nullable Future<CheckpointWriter.Written> pending;
    private @Nullable Path last;
    private long lastStep = -1;
    private long stalled;

    /**
     * @param metrics forced to the disk before a checkpoint becomes visible, so that no checkpoint is ahead of its
     *     metrics
     * @param listener receives complete checkpoints, and messages about those that could not be written or deleted
     */
    public CheckpointSaver(
            RunFolder run, Tokenizer tokenizer, CheckpointPolicy policy, Metrics metrics, TrainingListener listener) {
        this.writer = new CheckpointWriter(run, tokenizer);
        this.run = run;
        this.policy = policy;
        this.metrics = metrics;
        this.listener = listener;
    }

    @Override
    public void resumedFrom(CheckpointStep checkpoint) {
        last = checkpoint.folder();
        lastStep = checkpoint.step();
    }

    /** {@inheritDoc} If an earlier checkpoint could not be written, reports it and continues. */
    @Override
    public Snapshot copy(Snapshot.Source source) {
        long start = System.nanoTime();
        try {
            finishPending();
        } catch (TrainException e) {
            listener.onNotice(e.getMessage() + "; training goes on, and the next checkpoint is written as planned");
        }
        Snapshot snapshot = source.snapshot();
        stalled += System.nanoTime() - start;
        return snapshot;
    }

    @Override
    public void save(Snapshot snapshot, TrainingState state) {
        lastStep = state.position().step();
        pending = thread.submit(() -> write(snapshot, state));
    }

    @Override
    public boolean has(long step) {
        return lastStep == step;
    }

    @Override
    public boolean stillWriting() {
        Future<CheckpointWriter.Written> writing = pending;
        if (writing == null) {
            return false;
        }
        long start = System.nanoTime();
        try {
            CheckpointWriter.Written _ = writing.get(POLL_INTERVAL.toMillis(), TimeUnit.MILLISECONDS);
            return false;
        } catch (TimeoutException e) {
            return true;
        } catch (ExecutionException e) {
            return false; // finishPending reports the failure
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TrainException("interrupted while a checkpoint was written", e);
        } finally {
            stalled += System.nanoTime() - start;
        }
    }

    /**
     * {@inheritDoc}
     *
     * @throws TrainException if the last checkpoint could not be written
     */
    @Override
    public Path finish() {
        finishPending();
        return Objects.requireNonNull(last, "finished without a checkpoint");
    }

    @Override
    public String lastGood() {
        try {
            finishPending();
        } catch (TrainException e) {
            listener.onNotice(String.valueOf(e.getMessage()));
        }
        return last == null ? "no checkpoint was written yet" : "the last good checkpoint is " + last;
    }

    @Override
    public double takeStalledSeconds() {
        double seconds = stalled / 1e9;
        stalled = 0;
        return seconds;
    }

    private void finishPending() {
        Future<CheckpointWriter.Written> writing = pending;
        if (writing == null) {
            return;
        }
        pending = null;
        try {
            CheckpointWriter.Written written = writing.get();
            last = written.checkpoint();
            listener.onCheckpoint(last);
            IOException undeleted = written.undeleted();
            if (undeleted != null) {
                listener.onNotice("an older checkpoint cannot be deleted: " + undeleted.getMessage()
                        + "; remove its remains to free disk space; " + last + " is complete");
            }
        } catch (ExecutionException e) {
            lastStep = -1;
            throw e.getCause() instanceof TrainException failure
                    ? failure
                    : new TrainException("cannot write a checkpoint: " + e.getCause(), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TrainException("interrupted while a checkpoint was written", e);
        }
    }

    private CheckpointWriter.Written write(Snapshot snapshot, TrainingState state) throws IOException {
        try (snapshot) {
            metrics.force();
            CheckpointWriter.Written written = writer.write(snapshot, state);
            BestEvaluation best = state.position().metrics().best();
            IOException undeleted = deleteOthers(best == null ? -1 : best.step());
            return written.undeleted() != null
                    ? written
                    : new CheckpointWriter.Written(written.checkpoint(), undeleted);
        }
    }

    /**
     * Deletes the checkpoints that the policy does not keep.
     *
     * @return the failure if one could not be deleted, which does not affect the new checkpoint; null on success
     */
    private @Nullable IOException deleteOthers(long best) {
        List<CheckpointStep> checkpoints = run.checkpoints();
        try {
            for (int rank = 0; rank < checkpoints.size(); rank++) {
                CheckpointStep checkpoint = checkpoints.get(rank);
                if (!policy.keeps(checkpoint.step(), rank, checkpoint.step() == best)) {
                    AtomicFolder.delete(checkpoint.folder());
                }
            }
            return null;
        } catch (IOException e) {
            return e;
        }
    }

    /** Waits for the checkpoint that is being written and ignores its outcome. */
    @Override
    public void close() {
        thread.close();
    }
}
