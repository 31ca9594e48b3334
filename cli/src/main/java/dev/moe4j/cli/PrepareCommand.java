package dev.moe4j.cli;

import dev.moe4j.data.HoldOut;
import dev.moe4j.data.Limits;
import dev.moe4j.data.Manifest;
import dev.moe4j.data.OnError;
import dev.moe4j.data.Preparation;
import dev.moe4j.data.ShardLayout;
import dev.moe4j.data.Share;
import dev.moe4j.data.Splitting;
import dev.moe4j.data.TextFormat;
import dev.moe4j.data.TextInput;
import dev.moe4j.data.TextTransform;
import dev.moe4j.data.Tokenizer;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j prepare}: text to tokenized shards. */
@Command(
        name = "prepare",
        description = {
            "Turn text into tokenized shards, which `train` and `eval` read.",
            "Reads text, JSON lines, CSV, TSV and Parquet from folders, files (plain, gzip, zstd, xz), zip archives and "
                    + "standard input. Each document becomes one entry, in the order of the input, its text unchanged, "
                    + "with an end of text behind it.",
            "A run that was interrupted goes on where it was when it is given again."
        },
        subcommands = {PrepareMergeCommand.class, PrepareVerifyCommand.class})
final class PrepareCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(
            arity = "0..*",
            paramLabel = "INPUT",
            description = "Folders, files, zip archives, patterns as in 'data/**/*.jsonl', or - for standard input.")
    private List<String> inputs = List.of();

    @Option(
            names = "--tokenizer",
            paramLabel = "NAME",
            description = "gpt2, gpt2:N (cut to N entries, as in gpt2:8192) or bytes. Required.")
    private @Nullable String tokenizer;

    @Option(names = "--out", paramLabel = "DIR", description = "The folder to write. Required.")
    private @Nullable Path out;

    @Option(
            names = "--format",
            paramLabel = "NAME",
            defaultValue = "auto",
            description = "auto (by name and content), text, jsonl, csv, tsv or parquet (default: auto).")
    private String format;

    @Option(
            names = "--field",
            paramLabel = "NAME",
            defaultValue = "text",
            description = "The field or column with the text, where files have records (default: text).")
    private String field;

    @Option(
            names = "--split",
            paramLabel = "file|blank-line|paper",
            defaultValue = "file",
            description = "What one document is in a file of text: the file; what stands between empty lines; or that, "
                    + "with each newline made an end of text, as the published study has it (default: file).")
    private String split;

    @Option(
            names = "--on-error",
            paramLabel = "fail|skip",
            defaultValue = "fail",
            description = "What to do about damaged files and records without text (default: fail).")
    private String onError;

    @Option(
            names = "--max-document",
            paramLabel = "MIB",
            defaultValue = "128",
            description = "The largest document, in MiB, up to 1024 (default: 128).")
    private int maxDocument;

    @Option(
            names = "--hold-out",
            paramLabel = "FRACTION",
            description = "Write about this share of the documents to the split `valid`, chosen by their text.")
    private double holdOut;

    @Option(names = "--seed", paramLabel = "N", description = "Another seed holds out other documents.")
    private long seed;

    @Option(
            names = "--layout",
            paramLabel = "fairseq|megatron",
            defaultValue = "fairseq",
            description = "The layout of the index files (default: fairseq).")
    private String layout;

    @Option(
            names = "--shard-size",
            paramLabel = "MIB",
            defaultValue = "1024",
            description = "Begin a new shard after so much text, in MiB (default: 1024).")
    private int shardSize;

    @Option(
            names = "--shard",
            paramLabel = "I/N",
            description = "Do part I of N only, on one of N machines; `prepare merge` joins the folders.")
    private String shard = "1/1";

    @Option(
            names = "--overwrite",
            description = "Replace prepared data in the folder, or an unfinished run, and nothing else.")
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
     * @param skipped files and records left out, by reason
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
        if (inputs.isEmpty()) {
            throw output.wrongUsage("Missing required parameter: 'INPUT'");
        }
        if (maxDocument < 1 || maxDocument > 1024 || shardSize < 1) {
            throw output.wrongUsage("--max-document must be from 1 to 1024, --shard-size at least 1");
        }
        TextInput input = TextInput.ofNames(inputs)
                .format(oneOf("--format", format, TextFormat.values()))
                .field(field)
                .splitting(oneOf("--split", split, Splitting.values()))
                .transform(collapseSpaces ? TextTransform.COLLAPSE_SPACES : TextTransform.NONE)
                .onError(oneOf("--on-error", onError, OnError.values()))
                .limits(Limits.DEFAULT.documentBytes((long) maxDocument << 20));
        Preparation preparation = new Preparation(Tokenizer.of(name), input, folder)
                .holdOut(new HoldOut(holdOut, seed))
                .layout(oneOf("--layout", layout, ShardLayout.values()))
                .shardBytes((long) shardSize << 20)
                .share(Share.parse(shard))
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
        Prepared prepared = summary(folder, result.manifest(), (System.nanoTime() - start) / 1e9);
        output.print(prepared, text -> print(prepared, result.skipped().toString(), text));
        return 0;
    }

    /** Required here and not by picocli, which would ask the subcommands' users for them too. */
    private <T> T required(@Nullable T value, String name) {
        if (value == null) {
            throw output.wrongUsage("Missing required option: '" + name + "'");
        }
        return value;
    }

    /** The constant whose name is the option's value, in lower case and with {@code -} for {@code _}. */
    private <E extends Enum<E>> E oneOf(String option, String value, E[] all) {
        List<String> names = Stream.of(all)
                .map(e -> e.name().toLowerCase(Locale.ROOT).replace('_', '-'))
                .toList();
        int index = names.indexOf(value);
        if (index < 0) {
            throw output.wrongUsage(option + " " + value + " is unknown: use "
                    + String.join(", ", names.subList(0, names.size() - 1)) + " or " + names.getLast());
        }
        return all[index];
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
