package dev.moe4j.cli.study;

import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.study.Study;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * A study on stderr: a line for each running step and one for the whole, drawn anew in place where a person looks on,
 * else printed now and then. To be used by one thread.
 */
final class StudyView implements AutoCloseable {
    private static final Duration DRAWN = Duration.ofMillis(500);
    private static final Duration PRINTED = Duration.ofSeconds(30);

    private final PrintWriter err;
    private final boolean terminal;
    private final int columns;
    private final LongSupplier nanos;
    private List<String> lines = List.of();
    private int drawn;
    private long shownAt;

    /** As {@link #start}, for tests. */
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
        if (nanos.getAsLong() - shownAt >= (terminal ? DRAWN : PRINTED).toNanos()) {
            show("");
        }
    }

    /** Prints a remark, above the lines where they stand. */
    void note(String remark) {
        if (terminal) {
            show("study: " + remark + "\n");
        } else {
            err.println("study: " + remark);
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
        StringBuilder text = new StringBuilder();
        if (terminal && drawn > 0) {
            // Up to the first line, and clear from there on.
            text.append("\u001b[").append(drawn).append("A\u001b[J");
        }
        text.append(above);
        for (String line : lines) {
            // A line that is full would wrap.
            boolean cut = terminal && line.length() >= columns;
            text.append(cut ? line.substring(0, columns - 1) : line).append('\n');
        }
        err.print(text);
        err.flush();
        drawn = lines.size();
        shownAt = nanos.getAsLong();
    }

    @Override
    public void close() {
        show("");
    }
}
