package dev.moe4j.cli.train;

import dev.moe4j.console.view.LossCurve;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.train.metrics.ResidentMemory;
import dev.moe4j.train.metrics.StepResult;
import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.metrics.TrainingProgress;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Shows a training run on stderr. On a terminal a few lines are redrawn in place, with notes above them; otherwise
 * it prints {@link ProgressLine}'s lines. Not thread-safe.
 */
final class TrainView implements TrainingListener, AutoCloseable {
    /** The time between two redraws. */
    private static final Duration INTERVAL = Duration.ofMillis(250);

    private static final String TASK = "train";

    private final PrintWriter err;
    private final int columns;
    private final LongSupplier nanos;
    private final @Nullable ProgressLine plain;
    private final LossCurve curve = new LossCurve();
    private final Map<String, Double> validation = new LinkedHashMap<>();
    private TrainLines.@Nullable Snapshot snapshot;
    private long firstStep;
    private long firstAt;
    private long drawnAt;
    private int linesDrawn;

    private TrainView(PrintWriter err, int columns, LongSupplier nanos, @Nullable ProgressLine plain) {
        this.err = err;
        this.columns = columns;
        this.nanos = nanos;
        this.plain = plain;
    }

    /** Starts the view of a run whose last step is {@code steps}; see {@link ProgressLine#start}. */
    static TrainView start(PrintWriter err, long steps) {
        return start(
                err,
                steps,
                Boolean.getBoolean("moe4j.terminal"),
                Integer.getInteger("moe4j.columns", 80),
                System::nanoTime);
    }

    /** Like {@link #start}, with explicit terminal settings and clock. */
    static TrainView start(PrintWriter err, long steps, boolean terminal, int columns, LongSupplier nanos) {
        ProgressLine plain = terminal ? null : ProgressLine.start(err, TASK, steps, false, columns, nanos);
        // A full line would wrap.
        return new TrainView(err, columns - 1, nanos, plain);
    }

    @Override
    public void onStep(TrainingProgress progress) {
        update(progress, ResidentMemory.now().orElse(0));
    }

    @Override
    public void onNotice(String message) {
        note(message);
    }

    /**
     * Shows a step.
     *
     * @param memoryBytes the resident memory of the process, in bytes; 0 if unknown
     */
    void update(TrainingProgress progress, long memoryBytes) {
        StepResult result = progress.result();
        validation.putAll(progress.evaluation());
        if (plain != null) {
            plain.update(
                    result.step(),
                    String.format(
                            Locale.ROOT,
                            "loss %.3f, %,.0f tokens/s, %.0f %% of peak",
                            result.loss(),
                            progress.tokensPerSecond(),
                            100 * progress.utilization()));
            return;
        }
        long now = nanos.getAsLong();
        if (snapshot == null) {
            firstStep = result.step();
            firstAt = now;
        }
        boolean due = snapshot == null || now - drawnAt >= INTERVAL.toNanos();
        curve.add(result.loss());
        snapshot = new TrainLines.Snapshot(
                result.step(),
                progress.steps(),
                result.skipped(),
                left(result.step(), progress.steps(), now),
                result.loss(),
                result.learningRate(),
                result.gradientNorm(),
                progress.tokensPerSecond(),
                progress.utilization(),
                memoryBytes,
                validation,
                result.routing().stream()
                        .map(layer -> new TrainLines.Layer(
                                layer.layer(), layer.statistics().load()))
                        .toList());
        if (due) {
            draw("");
        }
    }

    /** Estimates the time left from the steps of this process only, since a resumed run starts above 0. */
    private @Nullable Duration left(long step, long steps, long now) {
        return step == firstStep || step == steps
                ? null
                : Duration.ofNanos((long) ((double) (now - firstAt) / (step - firstStep) * (steps - step)));
    }

    /** Prints a note, above the view on a terminal. */
    void note(String text) {
        if (plain != null) {
            plain.note(text);
            return;
        }
        draw(TASK + ": " + text + "\n");
    }

    /** Leaves the last state on the screen. */
    @Override
    public void close() {
        if (plain != null) {
            plain.close();
        } else {
            draw("");
        }
    }

    /** Redraws the view, after text that stays on the screen. */
    private void draw(String above) {
        StringBuilder text = new StringBuilder();
        if (linesDrawn > 0) {
            // Move to the beginning of the first line and clear from there. An echoed ^C may have moved the
            // cursor.
            text.append("\u001b[").append(linesDrawn).append("F\u001b[J");
        }
        text.append(above);
        List<String> lines = snapshot == null ? List.of() : TrainLines.of(snapshot, curve, columns);
        lines.forEach(line -> text.append(line).append('\n'));
        // Print in one write, to avoid flicker.
        err.print(text);
        err.flush();
        linesDrawn = lines.size();
        drawnAt = nanos.getAsLong();
    }
}
