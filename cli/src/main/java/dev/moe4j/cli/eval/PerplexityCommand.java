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

/** {@code moe4j eval perplexity}: how well a checkpoint predicts texts. */
@Command(
        name = "perplexity",
        description = {
            "Perplexity per token and word, and bits per byte, of a checkpoint on one or more texts.",
            "Every token but a text's first is predicted once, in windows of the model's context that do not overlap: "
                    + "--window, --stride and --documents choose others, docs/evaluation.md explains them."
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
                    "Prepared data (its split `valid` if it has one, else `train`), or a folder, a text file or a "
                            + "zip archive, tokenized as the checkpoint was trained.")
    private List<String> data;

    @Option(
            names = "--batch",
            paramLabel = "N",
            description = "Windows at a time (default: 8): a matter of speed and memory, not of the result.")
    private int batch = 8;

    @Option(
            names = "--max-windows",
            paramLabel = "N",
            description = "Score at most this many windows of each text, spread evenly (default: all).")
    private long maxWindows = Long.MAX_VALUE;

    @Option(names = "--window", paramLabel = "N", description = "Tokens in a window (default: the model's context).")
    private @Nullable Integer window;

    @Option(
            names = "--stride",
            paramLabel = "N",
            description =
                    "Tokens from one window to the next (default: their length). With fewer, windows overlap, and "
                            + "what an earlier one has scored is context.")
    private @Nullable Integer stride;

    @Option(
            names = "--documents",
            description = "Cut windows at the ends of documents, each of which begins behind an end of text.")
    private boolean documents;

    @Option(
            names = "--load",
            paramLabel = "FILE.svg",
            description = "Write a figure of which experts serve which text.")
    private @Nullable Path load;

    @Option(
            names = "--results",
            paramLabel = "FILE",
            description = "Remember each finished text in this file, and take from it what is finished: an interrupted "
                    + "evaluation goes on.")
    private @Nullable Path results;

    @Option(
            names = "--collapse-spaces",
            description = "Make each run of spaces and tabs one space in texts that are not prepared, as `prepare "
                    + "--collapse-spaces` does.")
    private boolean collapseSpaces;

    PerplexityCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param mean of the sets' figures, each set counting the same
     */
    record Report(Path checkpoint, String tokenizer, String device, String precision, List<Measured> sets, Mean mean) {}

    /**
     * One text's score.
     *
     * @param split of prepared data, else {@code text}
     * @param tokens predicted
     * @param bytes of text that the predicted tokens stand for
     * @param words of text that the predicted tokens stand for
     * @param denominator what bytes and words count: {@code source}, or why they are of the decoded tokens
     * @param loss nats per token
     * @param expertLoad for each MoE layer what its experts received
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

        /** The same result under the name and path of this call. */
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
     * One layer's experts.
     *
     * @param load each expert's choices as a multiple of an even share
     * @param overflow for each rank of choice, the percentage that found no place; 0 without a capacity
     */
    record LayerLoad(int layer, double[] load, double[] overflow) {}

    /** Over sets. */
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
