package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j study}: trains and evaluates the models of a ladder. */
@Command(
        name = "study",
        description = {
            "Train and evaluate every model of a ladder: models x budgets x seeds x data.",
            "",
            "LADDER is a YAML file (docs/studies/README.md). Each training and each evaluation is a "
                    + "separate process. Finished steps are identified by everything they depend on: run the same "
                    + "command again to resume, and a changed ladder runs only its new steps. `report DIR` shows the "
                    + "results."
        })
public final class StudyCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(paramLabel = "LADDER", description = "The YAML file.")
    private Path ladder;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "The folder for the study's results.")
    private Path out;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Base folder of the relative paths in the ladder (default: the ladder's folder).")
    private @Nullable Path data;

    @Option(
            names = "--parallel",
            paramLabel = "N",
            description =
                    "Number of steps to run in parallel (default: processors divided by the ladder's threads; 1 on "
                            + "a GPU).")
    private @Nullable Integer parallel;

    @Option(names = "--list", description = "Print the steps and whether each is finished, and exit.")
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
