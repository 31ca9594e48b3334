package dev.moe4j.train;

import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.checkpoint.Checkpoints;
import dev.moe4j.train.checkpoint.Snapshot;
import dev.moe4j.train.checkpoint.TrainingState;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.Metrics;
import dev.moe4j.train.metrics.StepResult;
import dev.moe4j.train.metrics.TrainingProgress;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The steps of a run, from where it stands to its end, with all that happens between them. */
final class TrainingLoop {

    private final Trainer trainer;
    private final RunConfig config;
    private final TrainingState origin;
    private final Validation validation;
    private final ParallelContext fabric;
    private final @Nullable Metrics metrics;
    private final Checkpoints saver;
    private final double peakTokensPerSecond;
    private final ExpertWatch experts;
    private final long begin = System.nanoTime();
    private long reported = begin;
    private long tokensSince;
    private long tokens;
    private double loss;
    private double waited;
    private boolean stopped;

    /**
     * @param origin where the run stands, with the schedule's length and all else that checkpoints repeat
     * @param metrics null in processes that leave writing to the first
     * @param peakTokensPerSecond of a model that did nothing but matrix products at their peak
     */
    TrainingLoop(
            Trainer trainer,
            RunConfig config,
            TrainingState origin,
            Validation validation,
            @Nullable Metrics metrics,
            Checkpoints saver,
            double peakTokensPerSecond) {
        this.trainer = trainer;
        this.fabric = trainer.model().fabric();
        this.waited = fabric.waitedSeconds();
        this.config = config;
        this.origin = origin;
        this.validation = validation;
        this.metrics = metrics;
        this.saver = saver;
        this.peakTokensPerSecond = peakTokensPerSecond;
        this.experts = new ExpertWatch(config.watch());
        this.tokens = origin.position().tokens();
        this.loss = origin.position().metrics().loss();
    }

    TrainingRun.Outcome run(Consumer<TrainingProgress> listener, Consumer<String> notices, BooleanSupplier stop) {
        while (trainer.stepsDone() < origin.run().steps() && !validation.exhausted() && !stops(stop)) {
            step(listener, notices);
        }
        if (validation.exhausted() && trainer.stepsDone() < origin.run().steps()) {
            notices.accept("step %,d: %d evaluations in a row were no better than step %,d's; the run ends"
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
        return new TrainingRun.Outcome(
                checkpoint, config, trainer.stepsDone(), tokens, seconds, loss, validation.best(), stopped);
    }

    /** Whether any process has been asked to stop: then all do, at the same step. */
    private boolean stops(BooleanSupplier stop) {
        stopped = fabric.everyone().any(stop.getAsBoolean(), "whether to stop");
        return stopped;
    }

    private void step(Consumer<TrainingProgress> listener, Consumer<String> notices) {
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
        double rate = tokensSince * 1e9 / (System.nanoTime() - reported);
        TrainingProgress trained = new TrainingProgress(
                result, origin.run().steps(), rate, rate / peakTokensPerSecond, Collections.emptySortedMap());
        boolean last = step == origin.run().steps();
        boolean evaluated = validation.due(step, origin.run().steps());
        // Copied before validation and reports, in all processes together: these may fail in one of them.
        Snapshot due = last || config.checkpoint().due(step) ? copy() : null;
        String task = "validation";
        try (DueCheckpoint _ = new DueCheckpoint(due)) {
            TrainingProgress progress = evaluated ? validated(trained) : trained;
            task = "reporting";
            if (evaluated || last || step % config.log().every() == 0) {
                report(progress);
            }
            listener.accept(progress);
            experts.step(result.routing()).forEach(warning -> notices.accept("step %,d, %s".formatted(step, warning)));
        } catch (RuntimeException | Error e) {
            String failed = "step %,d: %s failed; ".formatted(step, task);
            despite(e, () -> notices.accept(failed + saver.lastGood()));
            throw e;
        }
        BestEvaluation best = validation.best();
        boolean isBest = evaluated && best != null && best.step() == step;
        if (due == null && isBest && config.checkpoint().keepBest()) {
            saver.save(copy(), state());
        }
    }

    /** Saves the checkpoint that is due at a step, if one is, however the step ends. */
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

    /** Scores the validation sets. If that fails, the step is reported without their losses. */
    private TrainingProgress validated(TrainingProgress trained) {
        try {
            return trained.withEvaluation(
                    validation.score(trainer.model(), trained.result().step()));
        } catch (RuntimeException | Error e) {
            despite(e, () -> report(trained));
            throw e;
        }
    }

    /** Does something in spite of a failure, which stays the one that is thrown. */
    private static void despite(Throwable failure, Runnable action) {
        try {
            action.run();
        } catch (RuntimeException | Error later) {
            if (!later.equals(failure)) {
                failure.addSuppressed(later);
            }
        }
    }

    private void report(TrainingProgress progress) {
        if (metrics != null) {
            double now = fabric.waitedSeconds();
            metrics.write(new Metrics.Line(
                    progress,
                    tokens,
                    seconds(),
                    trainer.takeDataWaitSeconds(),
                    saver.takeStalledSeconds(),
                    now - waited));
            waited = now;
        }
        reported = System.nanoTime();
        tokensSince = 0;
    }

    private Snapshot copy() {
        awaitWriter();
        return saver.copy(() -> Snapshot.of(trainer.model()));
    }

    /** Waits for the first process's writer, which may take longer than processes wait for each other in one exchange. */
    private void awaitWriter() {
        boolean writing = true;
        while (writing) {
            writing = fabric.everyone().any(saver.stillWriting(), "checkpoint");
        }
    }

    private double seconds() {
        return origin.position().seconds() + (System.nanoTime() - begin) / 1e9;
    }

    private TrainingState state() {
        TrainingState.Figures figures = new TrainingState.Figures(loss, validation.best());
        return new TrainingState(origin.run(), TrainingState.Position.of(trainer.state(), tokens, seconds(), figures));
    }
}
