package dev.moe4j.cli;

import dev.moe4j.cli.PerplexityCommand.LayerLoad;
import dev.moe4j.cli.PerplexityCommand.Mean;
import dev.moe4j.cli.PerplexityCommand.Measured;
import dev.moe4j.cli.PerplexityCommand.Report;
import dev.moe4j.data.Preparation;
import dev.moe4j.data.Shards;
import dev.moe4j.data.TokenStream;
import dev.moe4j.eval.Perplexity;
import dev.moe4j.eval.Score;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/** Scores texts with a checkpoint's model; apart from the command, whose class loads with every {@code --help}. */
record PerplexityRun(ModelOptions options, int batch, long maxWindows, boolean collapseSpaces, PrintWriter err) {

    Report run(List<NamedData> sets) {
        sets.forEach(PerplexityRun::check);
        try (LoadedModel loaded = LoadedModel.read(options)) {
            List<Measured> measured = new ArrayList<>();
            for (NamedData set : sets) {
                measured.add(measure(loaded, set));
            }
            return new Report(
                    loaded.folder(),
                    loaded.tokenizer().spec(),
                    options.device,
                    options.precision,
                    measured,
                    new Mean(
                            mean(measured, Measured::loss),
                            mean(measured, Measured::ppl),
                            mean(measured, Measured::bitsPerByte)));
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

    private Measured measure(LoadedModel loaded, NamedData set) {
        if (!Files.isRegularFile(set.path().resolve("manifest.json"))) {
            return measure(loaded, set, "text", TextTokens.read(set.path(), loaded.tokenizer(), collapseSpaces));
        }
        try (Shards shards = Shards.open(set.path())) {
            loaded.checkTokenizer(shards.tokenizer(), set.path());
            boolean held = shards.valid().isPresent();
            return measure(
                    loaded,
                    set,
                    held ? Preparation.VALID : Preparation.TRAIN,
                    shards.valid().orElse(shards.train()));
        }
    }

    private Measured measure(LoadedModel loaded, NamedData set, String split, TokenStream tokens) {
        long start = System.nanoTime();
        long context = loaded.model().config().context();
        long windows = Math.min(maxWindows, Math.ceilDiv(Math.max(1, tokens.tokens() - 1), context));
        Score score;
        try (ProgressLine progress = ProgressLine.start(err, "perplexity " + set.name(), windows)) {
            score = Perplexity.of(loaded.model())
                    .batch(batch)
                    .maxWindows(maxWindows)
                    .tokenizer(loaded.tokenizer())
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
                score.loss(),
                score.perplexity(),
                score.bitsPerByte(),
                score.windows(),
                score.load().stream()
                        .map(layer -> new LayerLoad(layer.layer(), layer.load()))
                        .toList(),
                (System.nanoTime() - start) / 1e9);
    }

    static void print(Report report, PrintWriter out) {
        int width = report.sets().stream()
                .mapToInt(set -> set.name().length())
                .max()
                .orElse(0);
        String format = "%-" + Math.max(4, width) + "s";
        out.printf(format + "  %12s  %8s  %10s  %13s%n", "text", "tokens", "loss", "perplexity", "bits per byte");
        for (Measured set : report.sets()) {
            out.printf(
                    format + "  %,12d  %8.4f  %10.3f  %13.4f%n",
                    set.name(),
                    set.tokens(),
                    set.loss(),
                    set.ppl(),
                    set.bitsPerByte());
        }
        if (report.sets().size() > 1) {
            Mean mean = report.mean();
            out.printf(
                    format + "  %12s  %8.4f  %10.3f  %13.4f%n",
                    "mean",
                    "",
                    mean.loss(),
                    mean.ppl(),
                    mean.bitsPerByte());
        }
    }
}
