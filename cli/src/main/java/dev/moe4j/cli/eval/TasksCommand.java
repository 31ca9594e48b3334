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

/** {@code moe4j eval tasks}: how well a checkpoint does tasks, zero- and few-shot. */
@Command(
        name = "tasks",
        description = {
            "Zero- and few-shot tasks with a checkpoint, by the likelihoods of candidates.",
            "",
            "Reads the published files of each task, from a folder of its name in --data or from --data itself. Besides "
                    + "the tasks that --list prints, --task takes the path of a YAML file that describes one: see "
                    + "docs/tasks.md."
        })
final class TasksCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    // A `help` option: with it nothing else is required.
    @Option(names = "--list", help = true, description = "Print the tasks that come with moe4j, and nothing else.")
    private boolean list;

    @Option(names = "--data", required = true, paramLabel = "DIR", description = "The folder with the tasks' files.")
    private Path data;

    @Option(
            names = "--task",
            converter = OptionNames.TaskName.class,
            required = true,
            arity = "1..*",
            paramLabel = "NAME|FILE",
            description = "A task's name, or a YAML file; may be repeated.")
    private List<String> tasks = new ArrayList<>();

    @Option(names = "--split", paramLabel = "NAME", description = "The split to score (default: each task's own).")
    private @Nullable String split;

    @Option(names = "--shots", paramLabel = "K", description = "Examples before each question (default: 0).")
    private int shots;

    @Option(
            names = "--runs",
            paramLabel = "N",
            description = "Repetitions, each with other examples (default: 25, as the study; without examples 1).")
    private int runs = 25;

    @Option(names = "--seed", paramLabel = "N", description = "Of the draws of examples (default: 1).")
    private long seed = 1;

    @Option(
            names = "--limit",
            paramLabel = "N",
            description = "Score at most this many questions of each task, spread evenly (default: all).")
    private int limit = Integer.MAX_VALUE;

    @Option(
            names = "--show",
            paramLabel = "N",
            description = "Print the first N questions exactly as the model reads them, the scored part in ⟦⟧.")
    private int show;

    @Option(
            names = "--batch-tokens",
            paramLabel = "N",
            description = "Tokens at a time (default: 4096): a matter of speed and memory, not of the result.")
    private int batchTokens = 4096;

    @Option(
            names = "--results",
            paramLabel = "FILE",
            description = "Keep finished runs in this file; the same command goes on from there after an interruption.")
    private @Nullable Path results;

    @Option(names = "--no-begin-token", description = "Begin texts with nothing instead of the token that ends a text.")
    private boolean noBeginToken;

    @Option(
            names = "--newlines-end-texts",
            description = "Make each line's end the token that ends a text, for models that never saw the character, "
                    + "as the published ones.")
    private boolean newlinesEndTexts;

    @Option(
            names = "--linear-head",
            description = "Let the layer answer that `finetune --head linear` has put beside the model, in place of "
                    + "likelihoods; the task is the one that it was fine-tuned on.")
    private boolean linearHead;

    TasksCommand() {}

    /** What {@code --json} prints. */
    record Report(
            Path checkpoint,
            String tokenizer,
            String device,
            String precision,
            List<TaskResult> tasks,
            double seconds) {}

    /** What {@code --list --json} prints. */
    record Listing(List<Listed> tasks) {}

    /** A task that comes with moe4j. */
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
            throw output.wrongUsage("--linear-head goes with none of --shots, --show and --results");
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
