package dev.moe4j.cli;

import dev.moe4j.cli.PerplexityCommand.LayerLoad;
import dev.moe4j.cli.PerplexityCommand.Mean;
import dev.moe4j.cli.PerplexityCommand.Measured;
import dev.moe4j.cli.PerplexityCommand.Report;
import dev.moe4j.data.Preparation;
import dev.moe4j.data.Shards;
import dev.moe4j.data.TokenStream;
import dev.moe4j.eval.LoadFigure;
import dev.moe4j.eval.Perplexity;
import dev.moe4j.eval.Score;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Scores texts with a checkpoint's model; apart from the command, whose class loads with every {@code --help}. */
record PerplexityRun(
        ModelOptions model,
        Options options,
        @Nullable Path results,
        @Nullable Path load,
        PrintWriter err) {

    /**
     * How texts are scored.
     *
     * @param window tokens in a window; null for the model's context
     * @param stride tokens from one window to the next; null for their length
     */
    record Options(
            int batch,
            long maxWindows,
            @Nullable Integer window,
            @Nullable Integer stride,
            boolean documents,
            boolean collapseSpaces) {

        Perplexity of(LoadedModel loaded) {
            Perplexity perplexity = Perplexity.of(loaded.model())
                    .batch(batch)
                    .maxWindows(maxWindows)
                    .tokenizer(loaded.tokenizer());
            if (window != null) {
                perplexity = perplexity.window(window);
            }
            if (stride != null) {
                perplexity = perplexity.stride(stride);
            }
            return documents ? perplexity.documents(loaded.tokenizer().endOfText()) : perplexity;
        }
    }

    Report run(List<NamedData> sets) {
        sets.forEach(PerplexityRun::check);
        FinishedSets finished = results == null ? null : FinishedSets.open(results);
        try (LoadedModel loaded = LoadedModel.read(model)) {
            if (load != null && loaded.model().config().experts() == 0) {
                throw new CliException("--load " + load + ": the model in " + loaded.folder()
                        + " is dense and has no experts to draw; leave the option out");
            }
            Perplexity perplexity = options.of(loaded);
            String settings = finished == null
                    ? ""
                    : FinishedSets.digest(loaded.folder()) + " " + options + " " + model.precision + " " + model.device;
            List<Measured> measured = new ArrayList<>();
            for (NamedData set : sets) {
                measured.add(measure(loaded, set, new Scoring(perplexity, finished, settings)));
            }
            draw(measured);
            return new Report(
                    loaded.folder(),
                    loaded.tokenizer().spec(),
                    model.device,
                    model.precision,
                    measured,
                    new Mean(
                            mean(measured, Measured::loss),
                            mean(measured, Measured::ppl),
                            mean(measured, Measured::wordPpl),
                            mean(measured, Measured::bitsPerByte)));
        }
    }

    /** What all texts are scored with. */
    private record Scoring(Perplexity perplexity, @Nullable FinishedSets finished, String settings) {}

    private void draw(List<Measured> measured) {
        if (load == null) {
            return;
        }
        List<LoadFigure.Row> rows = measured.stream()
                .map(set -> new LoadFigure.Row(
                        set.name(),
                        set.expertLoad().stream()
                                .map(layer -> new Score.ExpertLoad(layer.layer(), layer.load(), layer.overflow()))
                                .toList()))
                .toList();
        try {
            Files.writeString(load, LoadFigure.svg(rows));
        } catch (IOException e) {
            throw new CliException("--load " + load + ": cannot be written (" + e + "); give another file");
        }
    }

    private static void check(NamedData set) {
        if (!Files.exists(set.path())) {
            throw new CliException(set.path() + ": no such file or folder; check the path given with --data");
        }
    }

    private static double mean(List<Measured> sets, ToDoubleFunction<Measured> figure) {
        return sets.stream().mapToDouble(figure).average().orElse(Double.NaN);
    }

    private Measured measure(LoadedModel loaded, NamedData set, Scoring scoring) {
        if (!Files.isRegularFile(set.path().resolve("manifest.json"))) {
            TokenStream tokens = TextTokens.read(set.path(), loaded.tokenizer(), options.collapseSpaces());
            return measure(set, "text", tokens, scoring);
        }
        try (Shards shards = Shards.open(set.path())) {
            loaded.checkTokenizer(shards.tokenizer(), set.path());
            boolean held = shards.valid().isPresent();
            String split = held ? Preparation.VALID : Preparation.TRAIN;
            return measure(set, split, shards.valid().orElse(shards.train()), scoring);
        }
    }

    private Measured measure(NamedData set, String split, TokenStream tokens, Scoring scoring) {
        FinishedSets finished = scoring.finished();
        if (finished == null) {
            return score(set, split, tokens, scoring.perplexity());
        }
        String key = FinishedSets.key(scoring.settings() + " " + split, tokens);
        Measured earlier = finished.get(key);
        if (earlier != null) {
            return earlier.of(set);
        }
        Measured measured = score(set, split, tokens, scoring.perplexity());
        finished.add(key, measured);
        return measured;
    }

    private Measured score(NamedData set, String split, TokenStream tokens, Perplexity perplexity) {
        long start = System.nanoTime();
        Score score;
        try (ProgressLine progress = ProgressLine.start(err, "perplexity " + set.name(), perplexity.windows(tokens))) {
            score = perplexity
                    .onProgress((done, _, loss) ->
                            progress.update(done, String.format("loss %.3f, ppl %.2f", loss, Math.exp(loss))))
                    .score(tokens);
        }
        return new Measured(
                set.name(),
                set.path(),
                split,
                score.tokens(),
                score.bytes(),
                score.words(),
                score.loss(),
                score.perplexity(),
                score.wordPerplexity(),
                score.bitsPerByte(),
                score.windows(),
                score.load().stream()
                        .map(layer -> new LayerLoad(layer.layer(), layer.load(), layer.overflow()))
                        .toList(),
                (System.nanoTime() - start) / 1e9);
    }

    static void print(Report report, PrintWriter out) {
        int width = report.sets().stream()
                .mapToInt(set -> set.name().length())
                .max()
                .orElse(0);
        String name = "%-" + Math.max(4, width) + "s";
        String figures = "  %8.4f  %10.3f  %13.6g  %13.4f%n";
        out.printf(
                name + "  %12s  %8s  %10s  %13s  %13s%n",
                "text",
                "tokens",
                "loss",
                "perplexity",
                "per word",
                "bits per byte");
        for (Measured set : report.sets()) {
            out.printf(
                    name + "  %,12d" + figures,
                    set.name(),
                    set.tokens(),
                    set.loss(),
                    set.ppl(),
                    set.wordPpl(),
                    set.bitsPerByte());
        }
        if (report.sets().size() > 1) {
            Mean mean = report.mean();
            out.printf(
                    name + "  %12s" + figures, "mean", "", mean.loss(), mean.ppl(), mean.wordPpl(), mean.bitsPerByte());
        }
    }
}
