package dev.moe4j.cli.eval;

import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.Output;
import dev.moe4j.eval.task.TaskResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j eval tasks}: evaluates a checkpoint on tasks, zero-shot or few-shot. */
@Command(
        name = "tasks",
        description = {
            "Evaluate a checkpoint on tasks, zero-shot or few-shot, by the likelihoods of candidate answers.",
            "",
            "Reads each task's published files from a folder of the task's name in --data, or from --data "
                    + "itself. --list prints the built-in tasks. --task also takes the path of a YAML file that "
                    + "describes a task: see docs/tasks.md."
        })
final class TasksCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    // A help option, so that picocli does not require the other options.
    @Option(names = "--list", help = true, description = "Print the built-in tasks and exit.")
    private boolean list;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DIR",
            description = "The folder that holds the tasks' files.")
    private Path data;

    @Option(
            names = "--task",
            converter = OptionNames.TaskName.class,
            required = true,
            arity = "1..*",
            paramLabel = "NAME|FILE",
            description = "A task's name, or a YAML file. May be repeated.")
    private List<String> tasks = new ArrayList<>();

    @Option(names = "--split", paramLabel = "NAME", description = "The split to score (default: each task's own).")
    private @Nullable String split;

    @Option(names = "--shots", paramLabel = "K", description = "Number of examples before each question (default: 0).")
    private int shots;

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "Number of repetitions, each with other examples (default: 25, like the published study; 1 "
                    + "without examples).")
    private int runs = 25;

    @Option(names = "--seed", paramLabel = "N", description = "Seed for drawing the examples (default: 1).")
    private long seed = 1;

    @Option(
            names = "--limit",
            paramLabel = "N",
            description = "Maximum number of questions to score in each task, spread evenly (default: all).")
    private int limit = Integer.MAX_VALUE;

    @Option(
            names = "--show",
            paramLabel = "N",
            description = "Print the first N questions exactly as the model reads them, with the scored part in ⟦⟧ "
                    + "(default: 0).")
    private int show;

    @Option(
            names = "--batch-tokens",
            paramLabel = "N",
            description = "Tokens per forward pass (default: 4096). Affects speed and memory, not the result.")
    private int batchTokens = 4096;

    @Option(
            names = "--results",
            paramLabel = "FILE",
            description =
                    "Save each finished run in this file and reuse saved results, so that an interrupted evaluation "
                            + "resumes.")
    private @Nullable Path results;

    @Option(names = "--no-begin-token", description = "Do not put the end-of-text token at the beginning of each text.")
    private boolean noBeginToken;

    @Option(
            names = "--newlines-end-texts",
            description =
                    "Replace each newline with the end-of-text token, for models trained without newlines, such as "
                            + "the published ones.")
    private boolean newlinesEndTexts;

    @Option(
            names = "--linear-head",
            description = "Answer with the classification head that `finetune --head linear` saved with the model, "
                    + "instead of likelihoods. The task must be the one it was fine-tuned on.")
    private boolean linearHead;

    TasksCommand() {}

    /** The result that {@code --json} prints. */
    record Report(
            Path checkpoint,
            String tokenizer,
            String device,
            String precision,
            List<TaskResult> tasks,
            double seconds) {}

    /** The result that {@code --list --json} prints. */
    record Listing(List<Listed> tasks) {}

    /** A built-in task. */
    record Listed(String name, String about, List<String> splits, String scored, String source) {}

    @Override
    public Integer call() {
        if (list) {
            Listing listing = TasksRun.list();
            output.print(listing, out -> TasksRun.print(listing, out));
            return 0;
        }
        if (shots < 0 || runs < 1 || limit < 1 || show < 0 || batchTokens < 1) {
            throw output.wrongUsage(
                    "--shots and --show must be at least 0, --runs, --limit and --batch-tokens at least 1");
        }
        if (linearHead && (shots > 0 || show > 0 || results != null)) {
            throw output.wrongUsage("--linear-head cannot be combined with --shots, --show or --results");
        }
        Report report = new TasksRun(
                        model,
                        TasksRun.settings(split, shots, runs, seed, limit, !noBeginToken, newlinesEndTexts),
                        batchTokens,
                        show,
                        results,
                        linearHead,
                        output.err())
                .run(tasks, data);
        output.print(report, out -> TasksRun.print(report, out));
        return 0;
    }
}
