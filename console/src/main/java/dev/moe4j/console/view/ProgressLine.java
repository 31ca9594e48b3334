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
 * How far a long task is, on stderr: a bar where a person looks on, else a plain line now and then.
 *
 * <pre>{@code
 * try (ProgressLine progress = ProgressLine.start(output.err(), "train", steps)) {
 *     progress.update(step, "loss 3.214, 12,300 tokens/s, 62 % of peak");
 * }
 * }</pre>
 *
 * <p>Both forms show the share done, the free text and the time left. To be used by one thread.
 */
public final class ProgressLine implements AutoCloseable {
    /** Between two plain lines. */
    private static final Duration INTERVAL = Duration.ofSeconds(10);

    private final PrintWriter err;
    private final String task;
    private final long total;
    private final LongSupplier nanos;
    private final @Nullable ProgressBar bar;
    private long printedAt;
    /** Where this process began, which a bar's own thread asks for. */
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
     * Starts a line for a task of {@code total} steps (or bytes, or documents). {@code ./moe4j} tells by the properties
     * {@code moe4j.terminal} and {@code moe4j.columns} whether stderr is a terminal, and how wide.
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

    /** As {@link #start}, for tests. */
    public static ProgressLine start(
            PrintWriter err, String task, long total, boolean terminal, int columns, LongSupplier nanos) {
        return new ProgressLine(err, task, total, terminal, columns, nanos);
    }

    /** Says that {@code done} of the total are done, and what else there is to say. */
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

    /** Prints a remark, above the bar where there is one. */
    public void note(String remark) {
        // A bar is drawn anew over what stays of the line.
        err.println(bar == null ? task + ": " + remark : "\r\u001b[K" + task + ": " + remark);
        err.flush();
    }

    /** Ends the line. Where it was plain, the last state is printed, if there is any. */
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

    /** By what this process has done: a run that was resumed has done more. Null where nothing can be told, or is left. */
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

    /** Writes each state of the bar over the one before. */
    private record Terminal(PrintWriter err, int columns) implements ProgressBarConsumer {
        @Override
        public int getMaxRenderedLength() {
            return columns - 1; // a line that is full would wrap
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
