package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import dev.moe4j.console.process.Interruption;
import dev.moe4j.console.process.JavaCommand;
import dev.moe4j.parallel.launch.LauncherWatch;
import dev.moe4j.study.Study;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Runs {@link StudyCommand}. Separate from the command, whose class loads with every {@code --help}. */
record StudyRun(
        Output output,
        Path ladder,
        @Nullable Path data,
        Path out,
        @Nullable Integer parallel) {

    /** The result that {@code study --list --json} prints. */
    private record Listing(List<Study.Listed> steps) {}

    void run(boolean list) {
        Study.Settings settings = new Study.Settings(
                ladder,
                data != null
                        ? data
                        : Objects.requireNonNullElse(ladder.toAbsolutePath().getParent(), Path.of(".")),
                out,
                parallel,
                JavaCommand.words(),
                Map.of(
                        LauncherWatch.VARIABLE,
                        String.valueOf(ProcessHandle.current().pid())));
        if (list) {
            Listing listing = new Listing(new Study(settings, _ -> {}, _ -> {}).list());
            output.print(listing, to -> print(listing, to));
            return;
        }
        // Print inside the block: an interrupted process waits for its end.
        try (Interruption interruption = new Interruption()) {
            Study.Result result;
            try (StudyView view = StudyView.start(output.err())) {
                result = new Study(settings, view::note, view::update).run(interruption::requested);
            }
            output.print(result, to -> print(result, to));
        }
    }

    private static void print(Study.Result result, PrintWriter to) {
        to.printf(
                "%s: %d steps; %d ran, %d were already finished, %d are missing%nto see the results, run moe4j "
                        + "report %s%n",
                result.folder(), result.steps(), result.ran(), result.reused(), result.missing(), result.folder());
    }

    private static void print(Listing listing, PrintWriter to) {
        for (Study.Listed step : listing.steps()) {
            to.printf("%-8s  %-32s  %s%n", step.finished() ? "finished" : "missing", step.name(), step.title());
        }
    }
}
