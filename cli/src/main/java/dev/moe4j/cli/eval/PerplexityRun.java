package dev.moe4j.cli.eval;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.cli.eval.PerplexityCommand.LayerLoad;
import dev.moe4j.cli.eval.PerplexityCommand.Mean;
import dev.moe4j.cli.eval.PerplexityCommand.Measured;
import dev.moe4j.cli.eval.PerplexityCommand.Report;
import dev.moe4j.console.option.LoadedModel;
import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.view.FigureFile;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.eval.perplexity.ExpertLoadHeatMap;
import dev.moe4j.eval.perplexity.Perplexity;
import dev.moe4j.eval.perplexity.Score;
import dev.moe4j.eval.task.ResultCache;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Scores texts with a checkpoint's model. Separate from the command, whose class loads with every {@code --help}. */
record PerplexityRun(
        ModelOptions model,
        Options options,
        @Nullable Path results,
        @Nullable FigureFile load,
        PrintWriter err) {

    /** Bytes and words were counted in the text before it was tokenized. */
    private static final String SOURCE = "source";
    /** Bytes and words are counted in the decoded tokens, for data that another program tokenized. */
    private static final String DECODED = "bytes and words of the decoded tokens";
    /** Words are counted in the decoded tokens, for data prepared before words were counted. */
    private static final String DECODED_WORDS = "bytes of the source and words of the decoded tokens";

    /**
     * The scoring options.
     *
     * @param window the window length, in tokens; null for the model's context length
     * @param stride the distance between the starts of two windows, in tokens; null for the window length
     */
    record Options(
            int batch,
            long maxWindows,
            @Nullable Integer window,
            @Nullable Integer stride,
            boolean documents,
            boolean collapseSpaces) {

        public Perplexity of(LoadedModel loaded) {
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
        if (load != null) {
            load.check();
        }
        ResultCache<Measured> finished = results == null ? null : ResultCache.open(results, Measured.class);
        try (LoadedModel loaded = LoadedModel.read(model)) {
            if (load != null && loaded.model().config().experts() == 0) {
                throw new CliException(load.option() + " " + load.path() + ": the model in " + loaded.folder()
                        + " is dense and does not have experts; leave the option out");
            }
            Perplexity perplexity = options.of(loaded);
            String settings = finished == null ? "" : loaded.identity(model) + " " + options;
            List<Measured> measured = new ArrayList<>();
            for (NamedData set : sets) {
                measured.add(measure(loaded, set, new Scoring(perplexity, finished, settings)));
            }
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

    /** The state shared by all texts. */
    private record Scoring(Perplexity perplexity, @Nullable ResultCache<Measured> finished, String settings) {}

    /**
     * Writes the figure of the experts' load, if requested. Call it after the report was printed, so that a full
     * disk does not lose the report.
     */
    void draw(Report report) {
        if (load == null) {
            return;
        }
        List<ExpertLoadHeatMap.Row> rows = report.sets().stream()
                .map(set -> new ExpertLoadHeatMap.Row(
                        set.name(),
                        set.expertLoad().stream()
                                .map(layer -> new Score.ExpertLoad(layer.layer(), layer.load(), layer.overflow()))
                                .toList()))
                .toList();
        load.write(ExpertLoadHeatMap.svg(rows));
    }

    private static void check(NamedData set) {
        if (!Files.exists(set.path())) {
            throw new CliException(set.path() + ": no such file or folder; check the path given with --data");
        }
    }

    private static double mean(List<Measured> sets, ToDoubleFunction<Measured> figure) {
        return sets.stream().mapToDouble(figure).average().orElse(Double.NaN);
    }

    /**
     * A text to score.
     *
     * @param size the size of the original text, as far as known
     * @param denominator the origin of the size: {@link #SOURCE} or a note
     */
    private record Text(String split, TokenStream tokens, TextSize size, String denominator) {}

    private Measured measure(LoadedModel loaded, NamedData set, Scoring scoring) {
        if (!Files.isRegularFile(set.path().resolve("manifest.json"))) {
            TextTokens.Tokenized text = TextTokens.read(set.path(), loaded.tokenizer(), options.collapseSpaces());
            return measure(set, new Text("text", text.tokens(), text.size(), SOURCE), scoring);
        }
        try (Shards shards = Shards.open(set.path())) {
            loaded.checkTokenizer(shards.tokenizer(), set.path());
            boolean held = shards.valid().isPresent();
            String split = held ? Shards.VALID : Shards.TRAIN;
            TextSize size = Objects.requireNonNull(shards.manifest().splits().get(split))
                    .size();
            Text text = new Text(split, shards.evaluation(), size, denominator(shards.manifest(), size));
            return measure(set, text, scoring);
        }
    }

    private static String denominator(Manifest manifest, TextSize size) {
        if (manifest.adopted()) {
            return DECODED;
        }
        return size.words() == 0 && size.bytes() > 0 ? DECODED_WORDS : SOURCE;
    }

    private Measured measure(NamedData set, Text text, Scoring scoring) {
        ResultCache<Measured> finished = scoring.finished();
        if (finished == null) {
            return score(set, text, scoring.perplexity());
        }
        String key = ResultCache.key(
                scoring.settings(),
                text.split(),
                sha256(text.tokens()),
                text.size().toString(),
                text.denominator());
        Optional<Measured> earlier = finished.find(key);
        if (earlier.isPresent()) {
            return earlier.get().of(set);
        }
        Measured measured = score(set, text, scoring.perplexity());
        finished.add(key, set.name(), measured);
        return measured;
    }

    /** Returns the SHA-256 of the token ids, in hex. */
    private static String sha256(TokenStream tokens) {
        MessageDigest digest = Sha256.digest();
        int[] ids = new int[1 << 14];
        ByteBuffer bytes = ByteBuffer.allocate(ids.length * Integer.BYTES);
        for (long from = 0; from < tokens.tokens(); from += ids.length) {
            int n = (int) Math.min(ids.length, tokens.tokens() - from);
            tokens.copyTokens(from, ids, 0, n);
            bytes.clear().asIntBuffer().put(ids, 0, n);
            digest.update(bytes.limit(n * Integer.BYTES));
        }
        return Sha256.hex(digest);
    }

    private Measured score(NamedData set, Text text, Perplexity perplexity) {
        long start = System.nanoTime();
        Score score;
        try (ProgressLine progress =
                ProgressLine.start(err, "perplexity " + set.name(), perplexity.windows(text.tokens()))) {
            score = perplexity
                    .onProgress((done, _, loss) ->
                            progress.update(done, String.format("loss %.3f, ppl %.2f", loss, Math.exp(loss))))
                    .score(text.tokens(), text.size());
        }
        return new Measured(
                set.name(),
                set.path(),
                text.split(),
                score.tokens(),
                score.bytes(),
                score.words(),
                text.denominator(),
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
        for (Measured set : report.sets()) {
            if (!set.denominator().equals(SOURCE)) {
                out.printf(
                        "%s: bits per byte and per-word perplexity use %s, since its folder has no other counts%n",
                        set.name(), set.denominator());
            }
        }
    }
}
