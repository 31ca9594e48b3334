package dev.moe4j.train;

import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.checkpoint.Checkpoints;
import dev.moe4j.train.checkpoint.Snapshot;
import dev.moe4j.train.checkpoint.TrainingState;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.StepResult;
import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.metrics.TrainingProgress;
import dev.moe4j.train.metrics.TrainingReport;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Runs the steps of a training run from its current position to its end, with validation, reports and checkpoints in
 * between.
 */
final class TrainingLoop {

    private final Trainer trainer;
    private final RunConfig config;
    private final TrainingState origin;
    private final Validation validation;
    private final ParallelContext parallel;
    private final TrainingListener listener;
    private final Checkpoints saver;
    private final double peakTokensPerSecond;
    private final ExpertLoadMonitor experts;
    private final long begin = System.nanoTime();
    private long lastReport = begin;
    private long tokensSince;
    private long tokens;
    private double loss;
    private double exchangeSeconds;
    private boolean stopped;

    /**
     * @param origin the position to start from, with the data that every checkpoint repeats
     * @param peakTokensPerSecond the rate of training that consists of matrix products at peak speed only
     */
    TrainingLoop(
            Trainer trainer,
            RunConfig config,
            TrainingState origin,
            Validation validation,
            TrainingListener listener,
            Checkpoints saver,
            double peakTokensPerSecond) {
        this.trainer = trainer;
        this.parallel = trainer.model().parallelContext();
        this.exchangeSeconds = parallel.waitedSeconds();
        this.config = config;
        this.origin = origin;
        this.validation = validation;
        this.listener = listener;
        this.saver = saver;
        this.peakTokensPerSecond = peakTokensPerSecond;
        this.experts = new ExpertLoadMonitor(config.watch());
        this.tokens = origin.position().tokens();
        this.loss = origin.position().metrics().loss();
    }

    TrainingRun.Outcome run(BooleanSupplier stop) {
        listener.onStart(trainer.stepsDone(), origin.run().steps());
        while (trainer.stepsDone() < origin.run().steps() && !validation.exhausted() && !stops(stop)) {
            step();
        }
        if (validation.exhausted() && trainer.stepsDone() < origin.run().steps()) {
            listener.onNotice("step %,d: %d evaluations in a row did not improve on step %,d; the run ends"
                    .formatted(
                            trainer.stepsDone(),
                            config.evaluation().patience(),
                            Objects.requireNonNull(validation.best()).step()));
        }
        double seconds = seconds();
        awaitWriter();
        if (!saver.has(trainer.stepsDone())) {
            saver.save(copy(), state());
            awaitWriter();
        }
        Path checkpoint = saver.finish();
        listener.onEnd(trainer.stepsDone(), checkpoint);
        return new TrainingRun.Outcome(
                checkpoint, config, trainer.stepsDone(), tokens, seconds, loss, validation.best(), stopped);
    }

    /** Whether any process was asked to stop. All processes then stop at the same step. */
    private boolean stops(BooleanSupplier stop) {
        stopped = parallel.everyone().any(stop.getAsBoolean(), "whether to stop");
        return stopped;
    }

    private void step() {
        StepResult result;
        try {
            result = trainer.step();
        } catch (TrainException e) {
            throw new TrainException(e.getMessage() + "; " + saver.lastGood(), e);
        }
        long step = result.step();
        tokens += result.tokens();
        tokensSince += result.tokens();
        loss = result.loss();
        double rate = tokensSince * 1e9 / (System.nanoTime() - lastReport);
        TrainingProgress trained = new TrainingProgress(
                result, origin.run().steps(), rate, rate / peakTokensPerSecond, Collections.emptySortedMap());
        boolean last = step == origin.run().steps();
        boolean evaluated = validation.due(step, origin.run().steps());
        // Copied before validation and reporting, while all processes are in step: validation or reporting may fail in
        // one of them only.
        Snapshot due = last || config.checkpoint().due(step) ? copy() : null;
        String task = "validation";
        try (DueCheckpoint _ = new DueCheckpoint(due)) {
            TrainingProgress progress = evaluated ? validated(trained) : trained;
            task = "reporting";
            if (evaluated) {
                listener.onEvaluation(step, progress.evaluation());
            }
            if (evaluated || last || step % config.log().every() == 0) {
                report(progress);
            }
            listener.onStep(progress);
            experts.step(result.routing())
                    .forEach(warning -> listener.onNotice("step %,d, %s".formatted(step, warning)));
        } catch (RuntimeException | Error e) {
            String failed = "step %,d: %s failed; ".formatted(step, task);
            runAfterFailure(e, () -> listener.onNotice(failed + saver.lastGood()));
            throw e;
        }
        BestEvaluation best = validation.best();
        boolean isBest = evaluated && best != null && best.step() == step;
        if (due == null && isBest && config.checkpoint().keepBest()) {
            saver.save(copy(), state());
        }
    }

    /** Saves the step's checkpoint, if one is due, also when the rest of the step fails. */
    private final class DueCheckpoint implements AutoCloseable {

        private final @Nullable Snapshot copy;

        DueCheckpoint(@Nullable Snapshot copy) {
            this.copy = copy;
        }

        @Override
        public void close() {
            if (copy != null) {
                saver.save(copy, state());
            }
        }
    }

    /** Scores the validation sets. If that fails, the step is lastReport without their losses. */
    private TrainingProgress validated(TrainingProgress trained) {
        try {
            return trained.withEvaluation(
                    validation.score(trainer.model(), trained.result().step()));
        } catch (RuntimeException | Error e) {
            runAfterFailure(e, () -> report(trained));
            throw e;
        }
    }

    /** Runs an action after a failure. An exception of the action is added to the failure as suppressed. */
    private static void runAfterFailure(Throwable failure, Runnable action) {
        try {
            action.run();
        } catch (RuntimeException | Error later) {
            if (!later.equals(failure)) {
                failure.addSuppressed(later);
            }
        }
    }

    private void report(TrainingProgress progress) {
        if (parallel.leads()) {
            double now = parallel.waitedSeconds();
            listener.onReport(new TrainingReport(
                    progress,
                    tokens,
                    seconds(),
                    trainer.takeDataWaitSeconds(),
                    saver.takeStalledSeconds(),
                    now - exchangeSeconds));
            exchangeSeconds = now;
        }
        lastReport = System.nanoTime();
        tokensSince = 0;
    }

    private Snapshot copy() {
        awaitWriter();
        return saver.copy(() -> Snapshot.of(trainer.model()));
    }

    /**
     * Waits for the first process's checkpoint writer. Waiting in short rounds keeps each exchange below the timeout
     * between processes.
     */
    private void awaitWriter() {
        boolean writing = true;
        while (writing) {
            writing = parallel.everyone().any(saver.stillWriting(), "checkpoint");
        }
    }

    private double seconds() {
        return origin.position().seconds() + (System.nanoTime() - begin) / 1e9;
    }

    private TrainingState state() {
        TrainingState.Losses losses = new TrainingState.Losses(loss, validation.best());
        return new TrainingState(origin.run(), TrainingState.Position.of(trainer.state(), tokens, seconds(), losses));
    }
}
