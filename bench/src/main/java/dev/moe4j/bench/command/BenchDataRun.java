package dev.moe4j.bench.command;

import dev.moe4j.base.file.FileTree;
import dev.moe4j.bench.DataBenchmark;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.view.ProgressLine;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs {@link BenchDataCommand}; a separate class, so that {@code --help} loads less. */
final class BenchDataRun {
    private static final double MIB = 1 << 20;

    private BenchDataRun() {}

    static BenchDataCommand.Report run(
            @Nullable Path data, String tokenizer, int mebibytes, int threads, @Nullable Path out, PrintWriter err) {
        DataBenchmark benchmark = new DataBenchmark(Tokenizer.of(tokenizer), text(data), threads);
        long bytes = (long) mebibytes << 20;
        DataBenchmark.Result result;
        Path folder = null;
        try (ProgressLine progress = ProgressLine.start(err, "bench data", bytes)) {
            folder = out == null
                    ? Files.createTempDirectory("moe4j-data")
                    : Files.createTempDirectory(Files.createDirectories(out), "moe4j-data");
            try {
                result = benchmark.run(bytes, folder, done -> progress.update(done, ""));
            } finally {
                FileTree.delete(folder);
            }
        } catch (IOException e) {
            throw new CliException("cannot write to " + (folder == null ? out : folder) + ": " + e.getMessage()
                    + "; give another folder with --out");
        }
        return new BenchDataCommand.Report(
                tokenizer,
                threads,
                result.textBytes(),
                result.tokens(),
                result.tokenizer(),
                result.jtokkit().isPresent() ? result.jtokkit().getAsDouble() : null,
                result.huggingFace().isPresent() ? result.huggingFace().getAsDouble() : null,
                result.prepare(),
                result.efficiency(threads),
                result.prepareCores(),
                result.coreEfficiency(),
                result.read(),
                result.readCore(),
                result.readCold(),
                result.peakResident().isPresent() ? result.peakResident().getAsLong() : null);
    }

    private static TextInput text(@Nullable Path data) {
        if (data != null) {
            return TextInput.of(List.of(data)).splitting(DocumentBoundary.BLANK_LINE);
        }
        Path sources = Path.of(System.getProperty("java.home"), "lib", "src.zip");
        if (!Files.isReadable(sources)) {
            throw new CliException("lib/src.zip is missing in this JDK; give a text with --data");
        }
        return TextInput.of(List.of(sources)).keep(file -> file.path().startsWith("java.base/java/util/"));
    }

    static void print(BenchDataCommand.Report report, PrintWriter out) {
        out.printf(
                "%s, %d threads, %,.0f MiB of text, %,d tokens%n",
                report.tokenizer(), report.threads(), report.textBytes() / MIB, report.tokens());
        out.printf("tokenizer    %.1f MiB/s on one core%n", report.tokenizerBytesPerCoreSecond() / MIB);
        print("jtokkit      %.1f MiB/s on one core%n", report.jtokkitBytesPerCoreSecond(), out);
        print("hugging face %.1f MiB/s on one core%n", report.huggingFaceBytesPerCoreSecond(), out);
        out.printf(
                "prepare      %.1f MiB/s, %.0f %% of the tokenizer's rate times the threads; on %.2f cores, %.0f %% of "
                        + "their time%n",
                report.prepareBytesPerSecond() / MIB,
                100 * report.prepareEfficiency(),
                report.prepareCores(),
                100 * report.prepareCoreEfficiency());
        out.printf(
                "read         %.1f million tokens/s, %.1f on one core, %s%n",
                report.readTokensPerSecond() / 1e6,
                report.readTokensPerCoreSecond() / 1e6,
                report.readCold() ? "from the disk" : "from the page cache");
        Long memory = report.peakRssBytes();
        if (memory != null) {
            out.printf("memory       %.0f MiB peak resident, before reading%n", memory / MIB);
        }
    }

    private static void print(String line, @Nullable Double bytesPerSecond, PrintWriter out) {
        if (bytesPerSecond != null) {
            out.printf(line, bytesPerSecond / MIB);
        }
    }
}
