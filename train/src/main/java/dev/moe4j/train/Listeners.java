package dev.moe4j.train;

import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.metrics.TrainingProgress;
import dev.moe4j.train.metrics.TrainingReport;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;

/** Passes each event to several listeners, in order. */
record Listeners(List<TrainingListener> all) implements TrainingListener {

    @Override
    public void onStart(long done, long steps) {
        all.forEach(listener -> listener.onStart(done, steps));
    }

    @Override
    public void onStep(TrainingProgress progress) {
        all.forEach(listener -> listener.onStep(progress));
    }

    @Override
    public void onEvaluation(long step, SequencedMap<String, Double> losses) {
        all.forEach(listener -> listener.onEvaluation(step, losses));
    }

    @Override
    public void onReport(TrainingReport report) {
        all.forEach(listener -> listener.onReport(report));
    }

    @Override
    public void onCheckpoint(Path checkpoint) {
        all.forEach(listener -> listener.onCheckpoint(checkpoint));
    }

    @Override
    public void onNotice(String message) {
        all.forEach(listener -> listener.onNotice(message));
    }

    @Override
    public void onEnd(long step, Path checkpoint) {
        all.forEach(listener -> listener.onEnd(step, checkpoint));
    }
}
