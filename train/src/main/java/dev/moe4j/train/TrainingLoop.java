package dev.moe4j.train;

import dev.moe4j.parallel.Fabric;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The steps of a run, from where it stands to its end, with all that happens between them. */
final class TrainingLoop {

    private final Trainer trainer;
    private final RunConfig config;
    private final TrainingState origin;
    private final Validation validation;
    private final Fabric fabric;
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

    TrainingRun.Outcome run(Consumer<TrainingRun.Progress> listener, Consumer<String> notices, BooleanSupplier stop) {
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
            saver.save(this::snapshot);
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

    private void step(Consumer<TrainingRun.Progress> listener, Consumer<String> notices) {
        Trainer.Result result;
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
        boolean evaluated = validation.due(step, origin.run().steps());
        SequencedMap<String, Double> losses =
                evaluated ? validation.score(trainer.model(), step) : Collections.emptySortedMap();
        TrainingRun.Progress progress =
                new TrainingRun.Progress(result, origin.run().steps(), rate, rate / peakTokensPerSecond, losses);
        listener.accept(progress);
        experts.step(result.routing()).forEach(warning -> notices.accept("step %,d, %s".formatted(step, warning)));

        if (evaluated
                || step % config.log().every() == 0
                || step == origin.run().steps()) {
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
        BestEvaluation best = validation.best();
        boolean isBest = evaluated && best != null && best.step() == step;
        if (config.checkpoint().due(step) || (isBest && config.checkpoint().keepBest())) {
            awaitWriter();
            saver.save(this::snapshot);
        }
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

    private Snapshot snapshot() {
        TrainingState.Figures figures = new TrainingState.Figures(loss, validation.best());
        return Snapshot.of(
                trainer.model(),
                new TrainingState(origin.run(), TrainingState.Position.of(trainer, tokens, seconds(), figures)));
    }
}
