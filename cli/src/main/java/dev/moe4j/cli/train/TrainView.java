package dev.moe4j.cli.train;

import dev.moe4j.console.view.LossCurve;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.train.metrics.StepResult;
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
 * A training run on stderr: where a person looks on, a few lines that are drawn anew in place, with remarks above them;
 * else {@link ProgressLine}'s. To be used by one thread.
 */
final class TrainView implements AutoCloseable {
    /** Between two drawings. */
    private static final Duration INTERVAL = Duration.ofMillis(250);

    private static final String TASK = "train";

    private final PrintWriter err;
    private final int columns;
    private final LongSupplier nanos;
    private final @Nullable ProgressLine plain;
    private final LossCurve curve = new LossCurve();
    private final Map<String, Double> validation = new LinkedHashMap<>();
    private TrainLines.@Nullable Figures figures;
    private long firstStep;
    private long firstAt;
    private long drawnAt;
    private int drawn;

    private TrainView(PrintWriter err, int columns, LongSupplier nanos, @Nullable ProgressLine plain) {
        this.err = err;
        this.columns = columns;
        this.nanos = nanos;
        this.plain = plain;
    }

    /** Starts the view of a run that ends with step {@code steps}; see {@link ProgressLine#start}. */
    static TrainView start(PrintWriter err, long steps) {
        return start(
                err,
                steps,
                Boolean.getBoolean("moe4j.terminal"),
                Integer.getInteger("moe4j.columns", 80),
                System::nanoTime);
    }

    /** As {@link #start}, for tests. */
    static TrainView start(PrintWriter err, long steps, boolean terminal, int columns, LongSupplier nanos) {
        ProgressLine plain = terminal ? null : ProgressLine.start(err, TASK, steps, false, columns, nanos);
        // A line that is full would wrap.
        return new TrainView(err, columns - 1, nanos, plain);
    }

    /**
     * Shows a step.
     *
     * @param memoryBytes that the process has in memory; 0 where it is not known
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
        if (figures == null) {
            firstStep = result.step();
            firstAt = now;
        }
        boolean due = figures == null || now - drawnAt >= INTERVAL.toNanos();
        curve.add(result.loss());
        figures = new TrainLines.Figures(
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

    /** By the steps that this process has seen; a run that was resumed has made others. */
    private @Nullable Duration left(long step, long steps, long now) {
        return step == firstStep || step == steps
                ? null
                : Duration.ofNanos((long) ((double) (now - firstAt) / (step - firstStep) * (steps - step)));
    }

    /** Prints a remark, above the view where there is one. */
    void note(String remark) {
        if (plain != null) {
            plain.note(remark);
            return;
        }
        draw(TASK + ": " + remark + "\n");
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

    /** Draws over what was drawn before: text that stays, and the view as it is now. */
    private void draw(String above) {
        StringBuilder text = new StringBuilder();
        if (drawn > 0) {
            // Up to the beginning of the first line, and clear from there on: an echoed ^C moves the cursor.
            text.append("\u001b[").append(drawn).append("F\u001b[J");
        }
        text.append(above);
        List<String> lines = figures == null ? List.of() : TrainLines.of(figures, curve, columns);
        lines.forEach(line -> text.append(line).append('\n'));
        // All at once, so that no eye catches half of it.
        err.print(text);
        err.flush();
        drawn = lines.size();
        drawnAt = nanos.getAsLong();
    }
}
