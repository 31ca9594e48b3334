package dev.moe4j.console.view;

import java.io.PrintWriter;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarConsumer;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Shows the progress of a long task on stderr: a bar on a terminal, otherwise a plain line every ten seconds.
 *
 * <pre>{@code
 * try (ProgressLine progress = ProgressLine.start(output.err(), "train", steps)) {
 * progress.update(step, "loss 3.214, 12,300 tokens/s, 62 % of peak");
 * }
 * }</pre>
 *
 * <p>Both forms show the fraction done, the given text and the time left. Not thread-safe.
 */
public final class ProgressLine implements AutoCloseable {
    /** The time between two plain lines. */
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private final PrintWriter err;
    private final String task;
    private final long total;
    private final LongSupplier nanos;
    private final @Nullable ProgressBar bar;
    private long printedAt;
    /** The first update of this process. Volatile because the bar's own thread reads it. */
    private volatile @Nullable Start start;

    private long done;
    private long printed;
    private String text = "";

    private ProgressLine(PrintWriter err, String task, long total, boolean terminal, int columns, LongSupplier nanos) {
        this.err = err;
        this.task = task;
        this.total = total;
        this.nanos = nanos;
        this.printedAt = nanos.getAsLong();
        this.bar = terminal
                ? new ProgressBarBuilder()
                        .setTaskName(task)
                        .setInitialMax(total)
                        .setStyle(ProgressBarStyle.ASCII)
                        .setUpdateIntervalMillis(500)
                        .setConsumer(new Terminal(err, columns))
                        .setEtaFunction(state -> Optional.ofNullable(left(state.getCurrent())))
                        .build()
                : null;
    }

    /**
     * Starts the progress of a task with {@code total} steps (or bytes, or documents). The launcher script
     * {@code ./moe4j} sets the properties {@code moe4j.terminal} and {@code moe4j.columns}: whether stderr is a
     * terminal, and its width.
     */
    public static ProgressLine start(PrintWriter err, String task, long total) {
        return new ProgressLine(
                err,
                task,
                total,
                Boolean.getBoolean("moe4j.terminal"),
                Integer.getInteger("moe4j.columns", 80),
                System::nanoTime);
    }

    /** Like {@link #start}, with explicit terminal settings and clock. */
    public static ProgressLine start(
            PrintWriter err, String task, long total, boolean terminal, int columns, LongSupplier nanos) {
        return new ProgressLine(err, task, total, terminal, columns, nanos);
    }

    /** Reports that {@code done} of the total are done, with a text to show next to the numbers. */
    public void update(long done, String text) {
        this.done = done;
        this.text = text;
        if (start == null) {
            start = new Start(done, nanos.getAsLong());
        }
        if (bar != null) {
            bar.setExtraMessage(text).stepTo(done);
        } else if (nanos.getAsLong() - printedAt >= INTERVAL.toNanos()) {
            printLine();
        }
    }

    /** Prints a note on a separate line, above the bar. */
    public void note(String text) {
        // Clear the line first: the bar is redrawn below.
        err.println(bar == null ? task + ": " + text : "\r\u001b[K" + task + ": " + text);
        err.flush();
    }

    /** Ends the progress. Without a terminal, prints the last state unless it was printed already. */
    @Override
    public void close() {
        if (bar != null) {
            bar.close();
        } else if (printed != done) {
            printLine();
        }
    }

    private void printLine() {
        printedAt = nanos.getAsLong();
        printed = done;
        StringBuilder line =
                new StringBuilder(task).append(' ').append(done).append('/').append(total);
        if (total > 0) {
            line.append(" (").append(100 * done / total).append(" %)");
        }
        if (!text.isEmpty()) {
            line.append(", ").append(text);
        }
        Duration left = left(done);
        if (left != null) {
            line.append(", ").append(clock(left)).append(" left");
        }
        err.println(line);
        err.flush();
    }

    /**
     * Estimates the time left from the steps of this process only, since a resumed run starts above 0. Null
     * without an estimate or when the task is done.
     */
    private @Nullable Duration left(long reached) {
        Start from = start;
        if (from == null || reached <= from.done || reached >= total) {
            return null;
        }
        double each = (double) (nanos.getAsLong() - from.at) / (reached - from.done);
        return Duration.ofNanos((long) (each * (total - reached)));
    }

    /** {@code h:mm:ss}, or {@code m:ss} below an hour. */
    public static String clock(Duration time) {
        return time.toHours() > 0
                ? String.format("%d:%02d:%02d", time.toHours(), time.toMinutesPart(), time.toSecondsPart())
                : String.format("%d:%02d", time.toMinutes(), time.toSecondsPart());
    }

    private record Start(long done, long at) {}

    /** Draws each state of the bar over the one before. */
    private record Terminal(PrintWriter err, int columns) implements ProgressBarConsumer {
        @Override
        public int getMaxRenderedLength() {
            return columns - 1; // a full line would wrap
        }

        @Override
        public void accept(String rendered) {
            err.print('\r' + rendered);
            err.flush();
        }

        @Override
        public void close() {
            err.println();
            err.flush();
        }
    }
}
