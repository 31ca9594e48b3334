package dev.moe4j.cli.data;

import dev.moe4j.console.option.InputOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.prepare.WorkShare;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardLayout;
import dev.moe4j.text.select.Selection;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j prepare}: tokenizes text into shards. */
@Command(
        name = "prepare",
        description = {
            "Tokenize text into shards, which `train` and `eval` read.",
            "Reads text, JSON Lines, CSV, TSV and Parquet from folders, files (plain, gzip, zstd, xz), zip "
                    + "archives and standard input. Documents keep their order and their text. An end-of-text token "
                    + "follows each document.",
            "To resume an interrupted preparation, run the same command again."
        },
        subcommands = {PrepareMergeCommand.class, PrepareVerifyCommand.class, PrepareAdoptCommand.class})
public final class PrepareCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    private InputOptions input;

    @Option(
            names = "--tokenizer",
            paramLabel = "NAME",
            description = "gpt2, gpt2:N (cut to N entries, for example gpt2:8192), bytes, or the path of a "
                    + "tokenizer.json. Required.")
    private @Nullable String tokenizer;

    @Option(names = "--out", paramLabel = "DIR", description = "The folder to write. Required.")
    private @Nullable Path out;

    @Option(
            names = "--selection",
            paramLabel = "FILE",
            description = "Leave out the documents listed in this file, which `data select` wrote for the same input.")
    private @Nullable Path selection;

    @Option(
            names = "--hold-out",
            paramLabel = "FRACTION",
            description = "Fraction of the documents to write to the split `valid`, chosen by their text; at least 0, "
                    + "below 1 (default: 0).")
    private double holdOut;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Seed of the hold-out: another seed holds out other documents (default: 0).")
    private long seed;

    @Option(
            names = "--layout",
            paramLabel = "fairseq|megatron",
            defaultValue = "fairseq",
            description = "Format of the index files: fairseq or megatron (default: fairseq).")
    private String layout;

    @Option(
            names = "--shard-size",
            paramLabel = "MIB",
            defaultValue = "1024",
            description = "Text per shard, in MiB (default: 1024).")
    private int shardSize;

    @Option(
            names = "--shard",
            paramLabel = "I/N",
            description =
                    "Prepare part I of N only, to divide the work among N machines (default: 1/1). Join the folders "
                            + "with `prepare merge`.")
    private String shard = "1/1";

    @Option(
            names = "--overwrite",
            description = "Replace prepared data, or an unfinished preparation, in the folder. Deletes nothing else.")
    private boolean overwrite;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Number of encoding threads (default: all processors). The result does not depend on it.")
    private int threads = Runtime.getRuntime().availableProcessors();

    PrepareCommand() {}

    /**
     * The result that {@code --json} prints.
     *
     * @param tokens in all splits, including the end-of-text tokens
     * @param textBytes the size of the text as UTF-8, in bytes
     * @param skipped numbers of skipped files and records, by reason
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
        Path folder = required(out, "--out=DIR");
        String name = required(tokenizer, "--tokenizer=NAME");
        if (shardSize < 1 || threads < 1) {
            throw output.wrongUsage("--shard-size and --threads must be at least 1");
        }
        TextInput source = input.read(output);
        if (selection != null) {
            source = source.filter(Selection.read(selection));
        }
        Tokenizer chosen = Tokenizer.of(name);
        chosen.remark().ifPresent(output.err()::println);
        Preparation preparation = new Preparation(chosen, source, folder)
                .holdOut(output.usage(() -> new HoldOut(holdOut, seed)))
                .layout(InputOptions.oneOf(output, "--layout", layout, ShardLayout.values()))
                .shardBytes((long) shardSize << 20)
                .share(output.usage(() -> WorkShare.parse(shard)))
                .overwrite(overwrite)
                .threads(threads);
        Preparation.Result result;
        try (ProgressLine progress = ProgressLine.start(output.err(), "prepare", source.bytes())) {
            result = preparation
                    .onProgress(p -> progress.update(
                            p.inputBytes(), String.format("%,d documents, %,d tokens", p.documents(), p.tokens())))
                    .run();
            progress.update(source.bytes(), "");
        }
        Prepared prepared = summary(folder, result.manifest(), (System.nanoTime() - start) / 1e9);
        output.print(prepared, text -> print(prepared, result.skipped().toString(), text));
        return 0;
    }

    /** The options are checked here, because picocli would require them for the subcommands too. */
    private <T> T required(@Nullable T value, String name) {
        if (value == null) {
            throw output.wrongUsage("Missing required option: '" + name + "'");
        }
        return value;
    }

    static Prepared summary(Path out, Manifest manifest, double seconds) {
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
                tokens == 0 ? 0 : (double) bytes / tokens,
                splits,
                manifest.skipped(),
                seconds);
    }

    static void print(Prepared prepared, String skipped, PrintWriter out) {
        out.printf("%s: tokenizer %s%n", prepared.out(), prepared.tokenizer());
        prepared.splits()
                .forEach((name, s) -> out.printf("%-8s %,d documents, %,d tokens%n", name, s.documents(), s.tokens()));
        out.printf("%.2f bytes per token, %.1f s%n", prepared.bytesPerToken(), prepared.seconds());
        if (!prepared.skipped().isEmpty()) {
            out.println("left out: " + skipped);
        }
    }
}
