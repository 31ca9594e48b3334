package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code study}: a ladder of runs. */
@Command(
        name = "study",
        description = {
            "Train and measure every model of a ladder: models x budgets x seeds x data.",
            "",
            "LADDER is a YAML file (docs/studies/README.md). Each training and each evaluation is a process of its own, and "
                    + "is known by everything that it depends on: the same command goes on after any interruption, a "
                    + "changed ladder runs what is new in it, and nothing that is finished runs again. `report DIR` "
                    + "shows what came of it."
        })
public final class StudyCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(paramLabel = "LADDER", description = "The YAML file.")
    private Path ladder;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "The study's folder.")
    private Path out;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "What the ladder's paths are relative to (default: the ladder's folder).")
    private @Nullable Path data;

    @Option(
            names = "--parallel",
            paramLabel = "N",
            description =
                    "Steps side by side (default: the processors, divided by the ladder's threads; one on a GPU).")
    private @Nullable Integer parallel;

    @Option(names = "--list", description = "Print the steps and which of them are finished, and run none.")
    private boolean list;

    @Override
    public Integer call() {
        if (parallel != null && parallel < 1) {
            throw output.wrongUsage("--parallel must be at least 1");
        }
        new StudyRun(output, ladder, data, out, parallel).run(list);
        return 0;
    }
}
