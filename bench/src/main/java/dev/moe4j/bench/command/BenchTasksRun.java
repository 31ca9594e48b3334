package dev.moe4j.bench.command;

import dev.moe4j.bench.command.BenchTasksCommand.Report;
import dev.moe4j.console.option.LoadedModel;
import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskEvaluation;
import dev.moe4j.eval.task.TaskResult;
import dev.moe4j.eval.task.TaskSettings;
import dev.moe4j.tensor.Libtorch;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Runs {@link BenchTasksCommand}; a separate class, so that {@code --help} loads less. */
final class BenchTasksRun {
    private BenchTasksRun() {}

    static Report run(ModelOptions options, String name, Path data, int shots, int limit, int rounds, PrintWriter err) {
        TaskSettings settings = TaskSettings.ZERO_SHOT.withShots(shots, 1).withLimit(limit);
        Questions questions = Questions.read(Task.named(name).getFirst(), data, settings);
        try (LoadedModel loaded = LoadedModel.readUngrouped(options);
                ProgressLine progress = ProgressLine.start(err, "bench tasks", 2L * rounds)) {
            TaskEvaluation shared = TaskEvaluation.of(loaded.model(), loaded.tokenizer());
            List<TaskResult> results = new ArrayList<>();
            double sharedSeconds = Double.POSITIVE_INFINITY;
            double inFullSeconds = Double.POSITIVE_INFINITY;
            for (int round = 0; round < rounds; round++) {
                sharedSeconds = Math.min(sharedSeconds, seconds(shared, questions, results));
                progress.update(2L * round + 1, "");
                inFullSeconds = Math.min(inFullSeconds, seconds(shared.inFull(), questions, results));
                progress.update(2L * round + 2, String.format("%.2f times as fast", inFullSeconds / sharedSeconds));
            }
            return new Report(
                    loaded.folder(),
                    questions.task().name(),
                    Libtorch.threads(),
                    shots,
                    questions.count(),
                    sharedSeconds,
                    inFullSeconds,
                    inFullSeconds / sharedSeconds,
                    results.stream().map(TaskResult::figures).distinct().count() == 1);
        }
    }

    private static double seconds(TaskEvaluation evaluation, Questions questions, List<TaskResult> results) {
        long start = System.nanoTime();
        results.add(evaluation.score(questions));
        return (System.nanoTime() - start) / 1e9;
    }

    static void print(Report report, PrintWriter out) {
        out.printf("%s, %d questions, %d shots%n", report.task(), report.questions(), report.shots());
        out.printf("prefixes once          %.2f s%n", report.sharedSeconds());
        out.printf("complete candidates    %.2f s%n", report.inFullSeconds());
        out.printf("speedup %.2f, with %s scores%n", report.speedup(), report.same() ? "the same" : "other");
    }
}
