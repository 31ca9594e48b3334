package dev.moe4j.cli;

import dev.moe4j.data.HoldOut;
import dev.moe4j.data.Manifest;
import dev.moe4j.data.Preparation;
import dev.moe4j.data.Splitting;
import dev.moe4j.data.TextInput;
import dev.moe4j.data.TextTransform;
import dev.moe4j.data.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j prepare}: text to tokenized shards. */
@Command(
        name = "prepare",
        description = {
            "Turn text into tokenized shards, which `train` and `eval` read.",
            "Reads folders, text files (plain, gzip, zstd) and zip archives. Each document becomes one entry, in the "
                    + "order of the input, its text unchanged, with an end of text behind it."
        })
final class PrepareCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(arity = "1..*", paramLabel = "INPUT", description = "Folders, text files or zip archives.")
    private List<Path> inputs;

    @Option(
            names = "--tokenizer",
            required = true,
            paramLabel = "NAME",
            description = "gpt2, gpt2:N (cut to N entries, as in gpt2:8192) or bytes.")
    private String tokenizer;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "The folder to write.")
    private Path out;

    @Option(
            names = "--split",
            paramLabel = "file|blank-line",
            defaultValue = "file",
            description = "What one document is: a file, or what stands between empty lines (default: file).")
    private String split;

    @Option(
            names = "--hold-out",
            paramLabel = "FRACTION",
            description = "Write about this share of the documents to the split `valid`, chosen by their text.")
    private double holdOut;

    @Option(names = "--seed", paramLabel = "N", description = "Another seed holds out other documents.")
    private long seed;

    @Option(names = "--overwrite", description = "Replace prepared data in the folder, and nothing else.")
    private boolean overwrite;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that encode (default: all processors). The result does not depend on it.")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(names = "--collapse-spaces", description = "Make each run of spaces and tabs one space.")
    private boolean collapseSpaces;

    PrepareCommand() {}

    /**
     * What {@code --json} prints.
     *
     * @param tokens in all splits, the end of each document included
     * @param textBytes of UTF-8 text
     * @param skipped files left out, by reason
     */
    record Prepared(
            Path out,
            String tokenizer,
            int vocabulary,
            long documents,
            long tokens,
            long textBytes,
            double bytesPerToken,
            Map<String, Split> splits,
            Map<String, Long> skipped,
            double seconds) {}

    /** The size of one split. */
    record Split(long documents, long tokens, long textBytes) {}

    @Override
    public Integer call() {
        long start = System.nanoTime();
        TextInput input = TextInput.of(inputs)
                .splitting(splitting())
                .transform(collapseSpaces ? TextTransform.COLLAPSE_SPACES : TextTransform.NONE);
        Preparation preparation = new Preparation(Tokenizer.of(tokenizer), input, out)
                .holdOut(new HoldOut(holdOut, seed))
                .overwrite(overwrite)
                .threads(threads);
        Preparation.Result result;
        try (ProgressLine progress = ProgressLine.start(output.err(), "prepare", input.bytes())) {
            result = preparation
                    .onProgress(p -> progress.update(
                            p.inputBytes(), String.format("%,d documents, %,d tokens", p.documents(), p.tokens())))
                    .run();
            progress.update(input.bytes(), "");
        }
        Prepared prepared = summary(result.manifest(), (System.nanoTime() - start) / 1e9);
        output.print(prepared, text -> print(prepared, result.skipped().toString(), text));
        return 0;
    }

    private Splitting splitting() {
        return switch (split) {
            case "file" -> Splitting.FILE;
            case "blank-line" -> Splitting.BLANK_LINE;
            default -> throw output.wrongUsage("--split " + split + " is unknown: use file or blank-line");
        };
    }

    private Prepared summary(Manifest manifest, double seconds) {
        Map<String, Split> splits = new TreeMap<>();
        manifest.splits().forEach((name, s) -> splits.put(name, new Split(s.documents(), s.tokens(), s.textBytes())));
        long documents = 0;
        long tokens = 0;
        long bytes = 0;
        for (Split s : splits.values()) {
            documents += s.documents();
            tokens += s.tokens();
            bytes += s.textBytes();
        }
        return new Prepared(
                out,
                manifest.tokenizer().spec(),
                manifest.tokenizer().vocabulary(),
                documents,
                tokens,
                bytes,
                (double) bytes / tokens,
                splits,
                manifest.skipped(),
                seconds);
    }

    private static void print(Prepared prepared, String skipped, PrintWriter out) {
        out.printf("%s: tokenizer %s%n", prepared.out(), prepared.tokenizer());
        prepared.splits()
                .forEach((name, s) -> out.printf("%-8s %,d documents, %,d tokens%n", name, s.documents(), s.tokens()));
        out.printf("%.2f bytes per token, %.1f s%n", prepared.bytesPerToken(), prepared.seconds());
        if (!prepared.skipped().isEmpty()) {
            out.println("left out: " + skipped);
        }
    }
}
