package dev.moe4j.cli.study;

import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.study.Study;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * Shows the progress of a study on stderr: one line per running step and one for the study. On a terminal the
 * lines are redrawn in place, otherwise they are printed every 30 seconds. Not thread-safe.
 */
final class StudyView implements AutoCloseable {
    private static final Duration DRAW_INTERVAL = Duration.ofMillis(500);
    private static final Duration PRINT_INTERVAL = Duration.ofSeconds(30);

    private final PrintWriter err;
    private final boolean terminal;
    private final int columns;
    private final LongSupplier nanos;
    private List<String> lines = List.of();
    private int linesDrawn;
    private long shownAt;

    /** Like {@link #start}, with explicit terminal settings and clock. */
    StudyView(PrintWriter err, boolean terminal, int columns, LongSupplier nanos) {
        this.err = err;
        this.terminal = terminal;
        this.columns = columns;
        this.nanos = nanos;
        this.shownAt = nanos.getAsLong();
    }

    /** Starts the view; see {@link ProgressLine#start}. */
    static StudyView start(PrintWriter err) {
        return new StudyView(
                err, Boolean.getBoolean("moe4j.terminal"), Integer.getInteger("moe4j.columns", 80), System::nanoTime);
    }

    void update(Study.Progress progress) {
        lines = lines(progress);
        if (nanos.getAsLong() - shownAt >= (terminal ? DRAW_INTERVAL : PRINT_INTERVAL).toNanos()) {
            show("");
        }
    }

    /** Prints a note, above the lines on a terminal. */
    void note(String text) {
        if (terminal) {
            show("study: " + text + "\n");
        } else {
            err.println("study: " + text);
        }
    }

    static List<String> lines(Study.Progress progress) {
        List<String> lines = new ArrayList<>();
        for (Study.Running each : progress.running()) {
            String share = Double.isNaN(each.share()) ? "" : String.format("%.0f %%, ", 100 * each.share());
            Duration left = each.left();
            lines.add("  " + each.title() + ": " + share + each.text()
                    + (left == null ? "" : ", " + ProgressLine.clock(left) + " left"));
        }
        Duration left = progress.left();
        lines.add("study %d/%d steps%s"
                .formatted(
                        progress.finished(),
                        progress.total(),
                        left == null ? "" : ", about " + ProgressLine.clock(left) + " left"));
        return lines;
    }

    private void show(String above) {
        StringBuilder output = new StringBuilder();
        if (terminal && linesDrawn > 0) {
            // Move up to the first line and clear from there.
            output.append("\u001b[").append(linesDrawn).append("A\u001b[J");
        }
        output.append(above);
        for (String line : lines) {
            // A full line would wrap.
            boolean cut = terminal && line.length() >= columns;
            output.append(cut ? line.substring(0, columns - 1) : line).append('\n');
        }
        err.print(output);
        err.flush();
        linesDrawn = lines.size();
        shownAt = nanos.getAsLong();
    }

    @Override
    public void close() {
        show("");
    }
}
