package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.quickstart.Quickstart;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Runs {@link QuickstartCommand}. Separate from the command, whose class loads with every {@code --help}. */
record QuickstartRun(
        Output output,
        @Nullable Path folder,
        double minutes,
        @Nullable Path out,
        long seed) {

    int run() {
        String home = System.getProperty("moe4j.home");
        Quickstart.Settings settings = output.usage(() -> new Quickstart.Settings(
                folder, home == null ? null : Path.of(home), out == null ? freshFolder() : out, minutes, seed));
        Quickstart.Result result;
        long seconds = Math.max(1, Math.round(minutes * 60));
        try (TrainingProgress training = new TrainingProgress(seconds)) {
            result =
                    new Quickstart(settings, text -> output.err().println("quickstart: " + text), training::show).run();
        }
        output.print(result, to -> {
            to.printf("%n%-20s %14s %14s%n", "", "dense", "mixture");
            row(
                    to,
                    "parameters",
                    "%,14d",
                    result.dense().parametersTotal(),
                    result.moe().parametersTotal());
            row(
                    to,
                    "  active",
                    "%,14d",
                    result.dense().parametersActive(),
                    result.moe().parametersActive());
            row(
                    to,
                    "FLOPs per token",
                    "%,14.0f",
                    result.dense().flopsPerToken(),
                    result.moe().flopsPerToken());
            row(to, "tokens", "%,14d", result.dense().tokens(), result.moe().tokens());
            row(to, "seconds", "%,14.1f", result.dense().seconds(), result.moe().seconds());
            row(
                    to,
                    "perplexity, in",
                    "%,14.2f",
                    result.dense().inDomainPpl(),
                    result.moe().inDomainPpl());
            row(
                    to,
                    "perplexity, out",
                    "%,14.2f",
                    result.dense().outOfDomainPpl(),
                    result.moe().outOfDomainPpl());
            to.printf("%n%s%n%nreport: %s%n", result.sentence(), result.report());
            to.printf(
                    "try:    ./moe4j generate --checkpoint %s --prompt \"public static void\"%n",
                    result.moe().checkpoint());
        });
        return 0;
    }

    private static void row(PrintWriter to, String name, String format, Object dense, Object moe) {
        to.printf("%-20s " + format + " " + format + "%n", name, dense, moe);
    }

    private static Path freshFolder() {
        String time = LocalDateTime.now(ZoneId.systemDefault())
                .format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss", Locale.ROOT));
        return Path.of("runs", "quickstart-" + time);
    }

    /** A progress line that starts with the first report of training. */
    private final class TrainingProgress implements AutoCloseable {
        private final long seconds;
        private @Nullable ProgressLine line;

        TrainingProgress(long seconds) {
            this.seconds = seconds;
        }

        void show(Quickstart.Progress progress) {
            ProgressLine shown = line;
            if (shown == null) {
                shown = ProgressLine.start(output.err(), "train", seconds);
                line = shown;
            }
            shown.update(
                    Math.min(seconds, (long) progress.seconds()),
                    side("dense", progress.dense()) + "; " + side("mixture", progress.moe()));
        }

        private static String side(String name, Quickstart.Progress.Running running) {
            return "%s %.2f %.0fk/s".formatted(name, running.loss(), running.tokensPerSecond() / 1000);
        }

        @Override
        public void close() {
            if (line != null) {
                line.close();
            }
        }
    }
}
