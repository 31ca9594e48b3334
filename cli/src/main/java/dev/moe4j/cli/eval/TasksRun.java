package dev.moe4j.cli.eval;

import dev.moe4j.cli.eval.TasksCommand.Listed;
import dev.moe4j.cli.eval.TasksCommand.Listing;
import dev.moe4j.cli.eval.TasksCommand.Report;
import dev.moe4j.console.option.LoadedModel;
import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.ResultCache;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskEvaluation;
import dev.moe4j.eval.task.TaskResult;
import dev.moe4j.eval.task.TaskRun;
import dev.moe4j.eval.task.TaskSettings;
import dev.moe4j.finetune.LinearHead;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Evaluates a checkpoint's model on tasks. Separate from the command, whose class loads with every {@code --help}. */
record TasksRun(
        ModelOptions options,
        TaskSettings settings,
        int batchTokens,
        int show,
        @Nullable Path results,
        boolean linearHead,
        PrintWriter err) {

    static TaskSettings settings(
            @Nullable String split,
            int shots,
            int runs,
            long seed,
            int limit,
            boolean beginToken,
            boolean newlinesEndTexts) {
        TaskSettings.Newlines newlines =
                newlinesEndTexts ? TaskSettings.Newlines.END_OF_TEXT : TaskSettings.Newlines.KEEP;
        return new TaskSettings(split, shots, runs, seed, limit, beginToken, newlines);
    }

    static Listing list() {
        return new Listing(Task.builtIn().values().stream()
                .map(task ->
                        new Listed(task.name(), task.about(), List.copyOf(task.splits()), task.test(), task.source()))
                .toList());
    }

    Report run(List<String> names, Path data) {
        long start = System.nanoTime();
        if (!Files.isDirectory(data)) {
            throw new CliException(data + ": no such folder; check the path given with --data");
        }
        // Read all files before loading the model, to report errors in them early.
        List<Questions> all = names.stream()
                .distinct()
                .flatMap(name -> Task.named(name).stream())
                .map(task -> Questions.read(task, data, settings))
                .toList();
        ResultCache<TaskRun> finished =
                results == null ? ResultCache.none(TaskRun.class) : ResultCache.open(results, TaskRun.class);
        try (LoadedModel loaded = LoadedModel.readUngrouped(options)) {
            TaskEvaluation evaluation = TaskEvaluation.of(loaded.model(), loaded.tokenizer())
                    .batchTokens(batchTokens)
                    .show(show)
                    .finished(finished, results == null ? "" : loaded.identity(options));
            List<TaskResult> scored = new ArrayList<>();
            for (Questions questions : all) {
                try (ProgressLine progress =
                        ProgressLine.start(err, "tasks " + questions.task().name(), questions.total())) {
                    scored.add(
                            linearHead
                                    ? scoreWithHead(loaded, questions)
                                    : evaluation
                                            .onProgress((done, figure) ->
                                                    progress.update(done, String.format("%.3f", figure)))
                                            .score(questions));
                }
            }
            return new Report(
                    loaded.folder(),
                    loaded.tokenizer().spec(),
                    options.device,
                    options.precision,
                    scored,
                    (System.nanoTime() - start) / 1e9);
        }
    }

    private TaskResult scoreWithHead(LoadedModel loaded, Questions questions) {
        try (LinearHead head = LinearHead.read(loaded.folder(), loaded.model(), loaded.tokenizer(), questions)) {
            return questions.result(List.of(head.answers(questions, batchTokens)));
        }
    }

    static void print(Listing listing, PrintWriter out) {
        for (Listed task : listing.tasks()) {
            out.printf("%-32s %s%n", task.name(), task.about());
        }
    }

    static void print(Report report, PrintWriter out) {
        for (TaskResult task : report.tasks()) {
            task.shown().forEach(shown -> print(shown, out));
        }
        out.printf(
                "%-30s %5s %4s %9s  %-10s %8s %8s  %17s  %6s%n",
                "task", "shots", "runs", "questions", "figure", "mean", "over runs", "95 % interval", "chance");
        for (TaskResult task : report.tasks()) {
            for (TaskResult.Figure figure : task.figures()) {
                boolean main = figure.equals(task.main());
                print(
                        main ? task.task() : "",
                        main ? Integer.toString(task.shots()) : "",
                        main ? Integer.toString(task.runs()) : "",
                        task.questions(),
                        figure,
                        main ? task.chance() : Double.NaN,
                        out);
            }
            for (TaskResult.Category category : task.categories()) {
                category.figures()
                        .forEach(figure ->
                                print("  " + category.name(), "", "", category.questions(), figure, Double.NaN, out));
            }
        }
        out.println();
        for (TaskResult task : report.tasks()) {
            out.printf(
                    "%s: split %s of %s; %s; scored: %s, by %s; texts begin with %s; line ends: %s; intervals "
                            + "by resampling "
                            + "questions%s%s%s%s%s%n",
                    task.task(),
                    task.split(),
                    task.file(),
                    task.formulation(),
                    task.scored(),
                    task.normalisation(),
                    task.begin(),
                    task.newlines(),
                    task.strata().isEmpty() ? "" : " within each " + task.strata(),
                    task.examples().isEmpty() ? "" : "; examples from " + task.examples() + ", seed " + task.seed(),
                    task.leftOut() == 0 ? "" : "; " + task.leftOut() + " questions skipped, too long for the context",
                    task.droppedExamples() == 0
                            ? ""
                            : "; " + task.droppedExamples() + " examples did not fit the context",
                    task.cutPrompts() == 0
                            ? ""
                            : "; " + task.cutPrompts() + " prompts were truncated at the beginning");
        }
    }

    private static void print(
            String name,
            String shots,
            String runs,
            int questions,
            TaskResult.Figure figure,
            double chance,
            PrintWriter out) {
        out.printf(
                "%-30s %5s %4s %9d  %-10s %8s %9s  %17s  %6s%n",
                name,
                shots,
                runs,
                questions,
                figure.name(),
                number(figure.name(), figure.mean()),
                Double.isNaN(figure.deviation()) ? "" : "± " + number(figure.name(), figure.deviation()),
                Double.isNaN(figure.low())
                        ? "none"
                        : number(figure.name(), figure.low()) + " – " + number(figure.name(), figure.high()),
                Double.isNaN(chance) ? "" : number(figure.name(), chance));
    }

    /** Formats a perplexity as it is, and other metrics as percentages. */
    static String number(String figure, double value) {
        return figure.equals("perplexity") ? String.format("%.4g", value) : String.format("%.1f", 100 * value);
    }

    private static void print(TaskResult.Shown shown, PrintWriter out) {
        out.println(shown.place());
        for (TaskResult.ShownCandidate candidate : shown.candidates()) {
            out.printf(
                    "%s score %.4f over %d tokens:%n%s%n",
                    candidate.right() ? "right" : "wrong", candidate.score(), candidate.tokens(), candidate.text());
        }
        out.println();
    }
}
