package dev.moe4j.cli.eval;

import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.console.option.LoadedModel;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.output.ResultJson;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskResult;
import dev.moe4j.finetune.FineTuneData;
import dev.moe4j.finetune.FineTuneResult;
import dev.moe4j.finetune.FineTuneSearch;
import dev.moe4j.finetune.FineTuneSettings;
import dev.moe4j.finetune.FineTuneSettings.Head;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.tensor.AmxTiles;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Runs {@link FinetuneCommand}. Separate from the command, whose class loads with every {@code --help}. */
final class FinetuneRun {
    private static final String RESULT = "result.json";

    private FinetuneRun() {}

    static void run(FinetuneCommand command, Output output) {
        if (!Files.isDirectory(command.data)) {
            throw new CliException(command.data + ": no such folder; check the path given with --data");
        }
        List<Task> tasks = Task.named(command.task);
        if (tasks.size() > 1) {
            throw new CliException(command.task + " describes several tasks; give a file with one");
        }
        Task task = tasks.getFirst();
        FineTuneSettings settings = output.usage(() -> settings(command, task));
        Precision precision = Precision.parse(command.model.precision);
        AmxTiles.configure(precision);
        // Read the files before loading the model, to report errors in them early.
        FineTuneData data = FineTuneData.read(
                task,
                command.data,
                new FineTuneData.Splits(command.trainSplit, command.validationSplit, command.trainLimit),
                TasksRun.settings(
                        command.split, 0, 1, 1, command.limit, !command.noBeginToken, command.newlinesEndTexts));
        FineTuneResult result;
        try (CheckpointReader checkpoint = LoadedModel.open(command.model);
                Progress progress = new Progress(output.err())) {
            Tokenizer tokenizer = LoadedModel.tokenizer(checkpoint, command.model);
            result = new FineTuneSearch(
                            checkpoint, tokenizer, precision, Device.parse(command.model.device), data, settings)
                    .run(command.out, progress);
        }
        write(command.out.resolve(RESULT), ResultJson.line(result) + "\n");
        output.print(result, to -> print(result, to));
    }

    private static FineTuneSettings settings(FinetuneCommand command, Task task) {
        FineTuneSettings defaults = FineTuneSettings.DEFAULT;
        return new FineTuneSettings(
                head(command.head, task),
                command.learningRates.isEmpty() ? defaults.learningRates() : command.learningRates,
                command.seeds.isEmpty() ? defaults.seeds() : command.seeds,
                command.epochs,
                command.patience,
                command.batch,
                command.warmUp,
                command.dropout,
                command.expertDropout,
                command.freezeRouter,
                command.freezeExperts,
                !command.noBalanceLoss,
                command.batchTokens);
    }

    private static Head head(@Nullable String name, Task task) {
        if (name == null) {
            return task.isGenerative() ? Head.ANSWER : Head.CHOICE;
        }
        return switch (name.toLowerCase(Locale.ROOT)) {
            case "choice" -> Head.CHOICE;
            case "answer" -> Head.ANSWER;
            case "linear" -> Head.LINEAR;
            default -> throw new CliException("--head " + name + " is unknown: use choice, answer or linear");
        };
    }

    private static void write(Path file, String text) {
        try {
            AtomicFile.write(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A progress line that starts with the first update, which reports the total number. */
    private static final class Progress implements FineTuneSearch.Progress, AutoCloseable {
        private final PrintWriter err;
        private @Nullable ProgressLine line;

        Progress(PrintWriter err) {
            this.err = err;
        }

        @Override
        public void made(long updates, long total, String text) {
            if (line == null) {
                line = ProgressLine.start(err, "finetune", total);
                line.note("%d threads per CPU operation".formatted(Libtorch.threads()));
            }
            line.update(updates, text);
        }

        @Override
        public void close() {
            if (line != null) {
                line.close();
            }
        }
    }

    private static void print(FineTuneResult result, PrintWriter to) {
        to.printf(
                "%s: %,d training examples (%s), %,d validation questions (%s%s), %,d scored questions "
                        + "(%s)%n%s; head: %s%n%n",
                result.task(),
                result.train().questions(),
                result.train().split(),
                result.validation().questions(),
                result.validation().split(),
                result.validation().heldOut() ? ", held out" : "",
                result.test().questions(),
                result.test().split(),
                result.formulation(),
                result.head());
        to.printf(
                "%-14s %5s %8s  %10s %10s %7s%n", "learning rate", "seed", "epoch", "validation", "scored", "seconds");
        for (FineTuneResult.Run run : result.runs()) {
            Double test = run.test();
            to.printf(
                    "%-14.2g %5d %3d of %2d  %10s %10s %7.1f%s%n",
                    run.learningRate(),
                    run.seed(),
                    run.bestEpoch(),
                    run.epochs().size(),
                    share(result, run.validation()),
                    test == null ? "" : share(result, test),
                    run.seconds(),
                    run.diverged() ? "  diverged" : "");
        }
        to.printf("%n%-32s %8s %9s  %17s%n", result.figure(), "mean", "over seeds", "95 % interval");
        line(to, "zero-shot", result, result.zeroShot());
        line(to, String.format("fine-tuned, learning rate %.2g", result.learningRate()), result, result.fineTuned());
        if (!Double.isNaN(result.chance())) {
            to.printf("%-32s %8s%n", "chance", share(result, result.chance()));
        }
        to.printf("%nmodel of seed %d: %s%n", result.seed(), result.model());
    }

    private static void line(PrintWriter to, String name, FineTuneResult result, TaskResult.Figure figure) {
        to.printf(
                "%-32s %8s %9s  %17s%n",
                name,
                share(result, figure.mean()),
                Double.isNaN(figure.deviation()) ? "" : "± " + share(result, figure.deviation()),
                share(result, figure.low()) + " – " + share(result, figure.high()));
    }

    private static String share(FineTuneResult result, double value) {
        return TasksRun.number(result.figure(), value);
    }
}
