package dev.moe4j.cli.eval;

import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.FigureFile;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j eval perplexity}: measures how well a checkpoint predicts texts. */
@Command(
        name = "perplexity",
        description = {
            "Compute a checkpoint's perplexity per token and per word, and bits per byte, on one or more " + "texts.",
            "By default, windows of the model's context length do not overlap, and each token except a "
                    + "text's first is predicted once. --window, --stride and --documents change this: see "
                    + "docs/evaluation.md."
        })
final class PerplexityCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private ModelOptions model;

    @Option(
            names = "--data",
            required = true,
            arity = "1..*",
            paramLabel = "[NAME=]PATH",
            description =
                    "Prepared data (its split `valid` if it has one, otherwise `train`), or a folder, text file or "
                            + "zip archive, which is tokenized with the checkpoint's tokenizer.")
    private List<String> data;

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "Windows per forward pass (default: 8). Affects speed and memory, not the result.")
    private int batch = 8;

    @Option(
            names = "--max-windows",
            paramLabel = "N",
            description = "Maximum number of windows to score in each text, spread evenly (default: all).")
    private long maxWindows = Long.MAX_VALUE;

    @Option(
            names = "--window",
            paramLabel = "N",
            description = "Window length, in tokens (default: the model's context length).")
    private @Nullable Integer window;

    @Option(
            names = "--stride",
            paramLabel = "N",
            description = "Distance between the starts of two windows, in tokens (default: the window length). With a "
                    + "smaller stride, windows overlap, and tokens that were already scored serve as context only.")
    private @Nullable Integer stride;

    @Option(
            names = "--documents",
            description = "Cut windows at document boundaries. Each document starts after an end-of-text token.")
    private boolean documents;

    @Option(
            names = "--load",
            paramLabel = "FILE.svg",
            description = "Write a figure of the experts' load for each text.")
    private @Nullable Path load;

    @Option(
            names = "--results",
            paramLabel = "FILE",
            description = "Save each finished text in this file and reuse saved results, so that an interrupted "
                    + "evaluation resumes.")
    private @Nullable Path results;

    @Option(
            names = "--collapse-spaces",
            description = "Replace each run of spaces and tabs with one space in texts that are not prepared, like "
                    + "`prepare --collapse-spaces`.")
    private boolean collapseSpaces;

    PerplexityCommand() {}

    /**
     * The result that {@code --json} prints.
     *
     * @param mean the unweighted mean over the texts
     */
    record Report(Path checkpoint, String tokenizer, String device, String precision, List<Measured> sets, Mean mean) {}

    /**
     * The score of one text.
     *
     * @param split the split of prepared data, otherwise {@code text}
     * @param tokens the number of predicted tokens
     * @param bytes the size of the predicted text, in bytes
     * @param words the number of words of the predicted text
     * @param denominator the origin of {@code bytes} and {@code words}: {@code source} for the original text,
     * otherwise a note that they come from decoded tokens
     * @param loss the mean loss, in nats per token
     * @param expertLoad the load of the experts, for each MoE layer
     */
    record Measured(
            String name,
            Path path,
            String split,
            long tokens,
            long bytes,
            long words,
            String denominator,
            double loss,
            double ppl,
            double wordPpl,
            double bitsPerByte,
            int windows,
            List<LayerLoad> expertLoad,
            double seconds) {

        /** Returns this result under another name and path. */
        Measured of(NamedData set) {
            return new Measured(
                    set.name(),
                    set.path(),
                    split,
                    tokens,
                    bytes,
                    words,
                    denominator,
                    loss,
                    ppl,
                    wordPpl,
                    bitsPerByte,
                    windows,
                    expertLoad,
                    seconds);
        }
    }

    /**
     * The load of one layer's experts.
     *
     * @param load for each expert, its assignments relative to an even share, {@code [experts]}
     * @param overflow for each top-k rank, the percentage of assignments dropped by the capacity; 0 without a
     * capacity
     */
    record LayerLoad(int layer, double[] load, double[] overflow) {}

    /** The mean over the texts. */
    record Mean(double loss, double ppl, double wordPpl, double bitsPerByte) {}

    @Override
    public Integer call() {
        List<NamedData> sets = NamedData.parse(data, output);
        if (batch < 1 || maxWindows < 1) {
            throw output.wrongUsage("--batch and --max-windows must be at least 1");
        }
        PerplexityRun.Options options =
                new PerplexityRun.Options(batch, maxWindows, window, stride, documents, collapseSpaces);
        FigureFile figure = load == null ? null : new FigureFile("--load", load);
        PerplexityRun run = new PerplexityRun(model, options, results, figure, output.err());
        Report report = run.run(sets);
        output.print(report, out -> PerplexityRun.print(report, out));
        run.draw(report);
        return 0;
    }
}
