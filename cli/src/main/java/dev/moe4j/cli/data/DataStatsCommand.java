package dev.moe4j.cli.data;

import dev.moe4j.console.output.Output;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardList;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.statistics.DataStatistics;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j data stats}: prints statistics of prepared data. */
@Command(
        name = "stats",
        description = "Print statistics of prepared data: documents, tokens, bytes per token, lengths, most frequent "
                + "duplicates.")
final class DataStatsCommand implements Callable<Integer> {
    private static final int BAR_COLUMNS = 50;

    @Mixin
    private Output output;

    @Parameters(paramLabel = "DIR", description = "A folder written by `prepare`.")
    private Path folder;

    @Option(
            names = "--top",
            paramLabel = "N",
            description = "Number of most frequent duplicates to list (default: 10).")
    private int top = 10;

    DataStatsCommand() {}

    /** The result that {@code --json} prints. */
    record Statistics(Path folder, String tokenizer, Map<String, Split> splits) {}

    /** The statistics of a split. */
    record Split(double bytesPerToken, DataStatistics.Split statistics) {}

    @Override
    public Integer call() {
        if (top < 0) {
            throw output.wrongUsage("--top must not be negative");
        }
        Map<String, Split> splits = new TreeMap<>();
        String tokenizer;
        try (Shards shards = Shards.open(folder)) {
            tokenizer = shards.tokenizer().spec();
            splits.put(Shards.TRAIN, split(shards, Shards.TRAIN, shards.train()));
            shards.valid().ifPresent(valid -> splits.put(Shards.VALID, split(shards, Shards.VALID, valid)));
        }
        Statistics statistics = new Statistics(folder, tokenizer, splits);
        output.print(statistics, to -> print(statistics, to));
        return 0;
    }

    private Split split(Shards shards, String name, ShardList documents) {
        Manifest.@Nullable Split split = shards.manifest().splits().get(name);
        long bytes = split == null ? 0 : split.textBytes();
        try (ProgressLine progress = ProgressLine.start(output.err(), name, documents.documents())) {
            DataStatistics.Split statistics =
                    DataStatistics.of(documents, bytes, shards.tokenizer(), top, done -> progress.update(done, ""));
            return new Split(statistics.tokens() == 0 ? 0 : (double) bytes / statistics.tokens(), statistics);
        }
    }

    private static void print(Statistics statistics, PrintWriter out) {
        out.printf("%s: tokenizer %s%n", statistics.folder(), statistics.tokenizer());
        statistics.splits().forEach((name, split) -> print(name, split, out));
    }

    private static void print(String name, Split split, PrintWriter out) {
        DataStatistics.Split s = split.statistics();
        out.printf(
                "%n%s: %,d documents, %,d tokens, %,d bytes, %.3f bytes per token%n",
                name, s.documents(), s.tokens(), s.textBytes(), split.bytesPerToken());
        out.printf("tokens per document: %,d to %,d, median %,d%n", s.shortest(), s.longest(), s.median());
        long most = s.lengths().stream()
                .mapToLong(DataStatistics.Bar::documents)
                .max()
                .orElse(0);
        for (DataStatistics.Bar bar : s.lengths()) {
            int length = (int) Math.ceilDiv(BAR_COLUMNS * bar.documents(), Math.max(1, most));
            out.printf(
                    "%,12d \u2013 %,-12d %-" + BAR_COLUMNS + "s %,d%n",
                    bar.from(),
                    bar.to() - 1,
                    "\u2588".repeat(length),
                    bar.documents());
        }
        out.printf("repeated: %,d documents duplicate an earlier one%n", s.repeated());
        for (DataStatistics.Duplicate duplicate : s.duplicates()) {
            out.printf(
                    "%,8d \u00d7 document %,d, %,d tokens: %s%n",
                    duplicate.documents(), duplicate.first(), duplicate.tokens(), duplicate.begins());
        }
    }
}
