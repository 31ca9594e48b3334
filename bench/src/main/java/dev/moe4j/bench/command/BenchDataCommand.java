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
            "How fast text is tokenized, prepared and read, and how much memory that takes.",
            "The tokenizer's rate is that of one core, beside those of jtokkit and of Hugging Face's library on the same "
                    + "text. End to end is reading, tokenizing and writing on all threads, as a share of that many times "
                    + "the tokenizer's rate. Reading is of the shards just written, mapped anew; on Linux as root with "
                    + "a cold page cache. Rates a core are per second of processor time, and so hold on a busy machine."
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
            description = "Repeat the text until it has so many MiB for the end-to-end run (default: 128).")
    private int mebibytes = 128;

    @Option(names = "--threads", paramLabel = "N", description = "Threads that encode (default: all processors).")
    private int threads = Runtime.getRuntime().availableProcessors();

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Where to write, in a folder that is deleted again (default: the system's for such).")
    private @Nullable Path out;

    BenchDataCommand() {}

    /**
     * What {@code --json} prints; rates are in bytes of UTF-8 or tokens a second.
     *
     * @param tokenizerBytesPerCoreSecond of one thread, per second of processor time
     * @param jtokkitBytesPerCoreSecond likewise, of the library by itself; null where the tokenizer is none of its own
     * @param huggingFaceBytesPerCoreSecond likewise, of Hugging Face's library
     * @param prepareBytesPerSecond reading, tokenizing and writing on {@code threads}
     * @param prepareEfficiency that over {@code threads} times the tokenizer's
     * @param prepareCores processor time that it took over the time that passed
     * @param prepareCoreEfficiency the share of that processor time which the tokenizer alone would take
     * @param readTokensPerSecond of one thread, mapping included
     * @param readTokensPerCoreSecond likewise, per second of processor time
     * @param readCold whether the page cache had been emptied before
     * @param peakRssBytes resident memory of the process at its most; null where the system does not tell
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
