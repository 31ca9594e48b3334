package dev.moe4j.bench.command;

import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench data}: tokenizing, preparing and reading text. */
@Command(
        name = "data",
        description = {
            "Measure the speed of tokenizing, preparing and reading text, and the memory it takes.",
            "The tokenizer's rate is per core, next to jtokkit's and Hugging Face's on the same text.",
            "End to end is reading, tokenizing and writing on all threads. Its efficiency is relative to the "
                    + "tokenizer's rate times the threads.",
            "Reading maps the new shards; on Linux as root the page cache is dropped first.",
            "Rates per core are per second of processor time, so they are valid on a busy machine."
        })
final class BenchDataCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--data",
            paramLabel = "PATH",
            description = "Text with blank lines between documents (default: the JDK's sources of java.util).")
    private @Nullable Path data;

    @Option(names = "--tokenizer", paramLabel = "NAME", description = "gpt2, gpt2:N or bytes (default: gpt2).")
    private String tokenizer = "gpt2";

    @Option(
            names = "--mib",
            paramLabel = "N",
            description = "Size of the end-to-end run's text in MiB; the text is repeated (default: 128).")
    private int mebibytes = 128;

    @Option(names = "--threads", paramLabel = "N", description = "Tokenizing threads (default: all processors).")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description =
                    "Where to create a folder for the data, which is deleted afterwards (default: the system's temporary folder).")
    private @Nullable Path out;

    BenchDataCommand() {}

    /**
     * The output of {@code --json}. Rates are in bytes of UTF-8 or tokens per second.
     *
     * @param tokenizerBytesPerCoreSecond rate of the tokenizer per second of processor time, on one thread
     * @param jtokkitBytesPerCoreSecond the same rate of jtokkit; null if jtokkit does not have the tokenizer
     * @param huggingFaceBytesPerCoreSecond the same rate of Hugging Face's library; null likewise
     * @param prepareBytesPerSecond rate of reading, tokenizing and writing on {@code threads} threads
     * @param prepareEfficiency that rate over {@code threads} times the tokenizer's
     * @param prepareCores processor time of preparing over elapsed time
     * @param prepareCoreEfficiency the tokenizer's share of that processor time
     * @param readTokensPerSecond rate of reading on one thread, including mapping
     * @param readTokensPerCoreSecond the same per second of processor time
     * @param readCold whether the page cache was dropped before reading
     * @param peakRssBytes peak resident memory of the process; null if the system does not report it
     */
    record Report(
            String tokenizer,
            int threads,
            long textBytes,
            long tokens,
            double tokenizerBytesPerCoreSecond,
            @Nullable Double jtokkitBytesPerCoreSecond,
            @Nullable Double huggingFaceBytesPerCoreSecond,
            double prepareBytesPerSecond,
            double prepareEfficiency,
            double prepareCores,
            double prepareCoreEfficiency,
            double readTokensPerSecond,
            double readTokensPerCoreSecond,
            boolean readCold,
            @Nullable Long peakRssBytes) {}

    @Override
    public Integer call() {
        if (mebibytes < 1 || threads < 1) {
            throw output.wrongUsage("--mib and --threads must be at least 1");
        }
        Report report = BenchDataRun.run(data, tokenizer, mebibytes, threads, out, output.err());
        output.print(report, text -> BenchDataRun.print(report, text));
        return 0;
    }
}
