package dev.moe4j.cli.data;

import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.statistics.TextOverlap;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j data overlap}: measures how much of evaluation texts occurs in training text. */
@Command(
        name = "overlap",
        description = {
            "Measure how much of an evaluation text occurs in the training text.",
            "For each evaluation text, prints the share of its sequences of 13 words (13-grams) that also "
                    + "occur in the training text. Case, punctuation and line breaks are ignored."
        })
final class DataOverlapCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--training",
            required = true,
            paramLabel = "DIR",
            description = "The training text: a folder written by `prepare`.")
    private Path training;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "[NAME=]DIR",
            description = "An evaluation text: a folder written by `prepare`. May be repeated.")
    private List<String> data = List.of();

    DataOverlapCommand() {}

    /**
     * The result that {@code --json} prints.
     *
     * @param words the length of a sequence, in words
     */
    record Overlap(Path training, int words, List<Text> texts) {}

    /**
     * The overlap of one evaluation text.
     *
     * @param runs its sequences of {@code words} words
     * @param found those that also occur in the training text
     * @param share {@code found / runs}, from 0 to 1; NaN (JSON null) if the text is shorter than one sequence
     */
    record Text(String name, long runs, long found, double share) {}

    @Override
    public Integer call() {
        TextOverlap overlap = new TextOverlap();
        for (NamedData text : NamedData.parse(data, output)) {
            try (Shards shards = Shards.open(text.path())) {
                overlap.add(text.name(), shards.evaluation(), shards.tokenizer());
            }
        }
        List<Text> texts = new ArrayList<>();
        try (Shards shards = Shards.open(training);
                ProgressLine progress = ProgressLine.start(
                        output.err(), "overlap", shards.train().documents())) {
            overlap.in(shards.train(), shards.tokenizer(), done -> progress.update(done, ""))
                    .forEach(found -> texts.add(new Text(found.name(), found.runs(), found.found(), found.share())));
        }
        Overlap result = new Overlap(training, TextOverlap.WORDS, texts);
        output.print(result, to -> print(result, to));
        return 0;
    }

    private static void print(Overlap overlap, PrintWriter to) {
        to.printf("%-30s %14s %14s %10s%n", "text", overlap.words() + "-grams", "in training", "share");
        for (Text text : overlap.texts()) {
            to.printf(
                    "%-30s %,14d %,14d %10s%n",
                    text.name(),
                    text.runs(),
                    text.found(),
                    Double.isNaN(text.share()) ? "too short" : String.format("%.2f %%", 100 * text.share()));
        }
        overlap.texts().stream()
                .filter(text -> text.share() > TextOverlap.LIMIT)
                .forEach(text -> to.printf(
                        "warning: more than %.0f %% of %s occurs in the training text; the model's scores on it "
                                + "are too good%n",
                        100 * TextOverlap.LIMIT, text.name()));
    }
}
