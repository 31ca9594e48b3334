package dev.moe4j.bench.command;

import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench tasks}: the speedup from computing a prompt once for all its candidates. */
@Command(
        name = "tasks",
        description = {
            "Score a task's questions twice: with the candidates' common prefix computed once, and with each candidate complete.",
            "Both alternate in one process; the fastest round of each counts."
        })
final class BenchTasksCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    @Option(names = "--data", required = true, paramLabel = "DIR", description = "The folder with the task's files.")
    private Path data;

    @Option(names = "--task", required = true, paramLabel = "NAME|FILE", description = "A task's name, or a YAML file.")
    private String task;

    @Option(names = "--shots", paramLabel = "K", description = "Examples before each question (default: 0).")
    private int shots;

    @Option(names = "--limit", paramLabel = "N", description = "Questions, spread evenly (default: 128).")
    private int limit = 128;

    @Option(names = "--rounds", paramLabel = "N", description = "Rounds of each (default: 3).")
    private int rounds = 3;

    BenchTasksCommand() {}

    /**
     * The output of {@code --json}.
     *
     * @param threads number of threads of a CPU operation
     * @param sharedSeconds time of the fastest round with common prefixes computed once
     * @param inFullSeconds time of the fastest round with complete candidates
     * @param speedup {@code inFullSeconds} over {@code sharedSeconds}
     * @param same whether both gave the same scores
     */
    record Report(
            Path checkpoint,
            String task,
            int threads,
            int shots,
            int questions,
            double sharedSeconds,
            double inFullSeconds,
            double speedup,
            boolean same) {}

    @Override
    public Integer call() {
        if (shots < 0 || limit < 1 || rounds < 1) {
            throw output.wrongUsage("--shots must be at least 0, --limit and --rounds at least 1");
        }
        Report report = BenchTasksRun.run(model, task, data, shots, limit, rounds, output.err());
        output.print(report, out -> BenchTasksRun.print(report, out));
        return 0;
    }
}
