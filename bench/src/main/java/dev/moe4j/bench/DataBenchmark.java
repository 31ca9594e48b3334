package dev.moe4j.bench;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import com.sun.management.OperatingSystemMXBean;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardList;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.tokenizer.TokenizerJson;
import dev.moe4j.train.metrics.ResidentMemory;
import java.io.BufferedWriter;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.ToIntFunction;

/**
 * Measures the speed of tokenizing, preparing and reading text. The text is a sample of real text. The end-to-end run
 * prepares a file that repeats the sample up to the requested size.
 */
public final class DataBenchmark {
    private static final int SAMPLE_CHARS = 8 << 20;
    private static final int PASSES = 3;
    /** Bytes that are prepared before the timed run, so that JIT compilation is not measured. */
    private static final long WARM_UP = 32L << 20;
    /** Tokens of a training sequence of 2048, plus the target of its last token. */
    private static final int SEQUENCE = 2049;

    private final Tokenizer tokenizer;
    private final int threads;
    private final List<String> sample;
    private final long sampleBytes;

    /**
     * Takes a sample of up to 8 MiB.
     *
     * @param threads number of tokenizing threads in the end-to-end run
     */
    public DataBenchmark(Tokenizer tokenizer, TextInput text, int threads) {
        this.tokenizer = tokenizer;
        this.threads = threads;
        this.sample = sample(text);
        this.sampleBytes = sample.stream()
                .mapToLong(document -> document.getBytes(StandardCharsets.UTF_8).length)
                .sum();
    }

    /**
     * The measurements. Rates per core are per second of processor time, so other load on the machine hardly changes
     * them. On an idle machine they are the rates of one thread.
     *
     * @param textBytes size of the text in UTF-8
     * @param tokens number of tokens in the prepared text
     * @param tokenizer bytes per second and core
     * @param jtokkit bytes per second and core of the jtokkit library; only for {@code gpt2}
     * @param huggingFace bytes per second and core of Hugging Face's library; only for {@code gpt2}
     * @param prepare bytes per second of reading, tokenizing and writing together
     * @param prepareCores processor time of preparing over elapsed time, including the JVM's other threads
     * @param read tokens per second of reading on one thread
     * @param readCore tokens per second and core of reading
     * @param readCold whether the page cache was dropped before reading
     * @param peakResident the process's peak resident memory up to the end of preparing, in bytes
     */
    public record Result(
            long textBytes,
            long tokens,
            double tokenizer,
            OptionalDouble jtokkit,
            OptionalDouble huggingFace,
            double prepare,
            double prepareCores,
            double read,
            double readCore,
            boolean readCold,
            OptionalLong peakResident) {

        /** The end-to-end rate as a share of {@code threads} times the tokenizer's rate. */
        public double efficiency(int threads) {
            return prepare / (threads * tokenizer);
        }

        /** The tokenizer's share of the processor time: the efficiency if no thread waits. */
        public double coreEfficiency() {
            return prepare / (prepareCores * tokenizer);
        }
    }

    /**
     * Runs the benchmark.
     *
     * @param textBytes approximate size of the end-to-end run's text
     * @param folder folder for text and shards, which need about 1.6 times that size
     * @param progress receives the number of input bytes done
     */
    public Result run(long textBytes, Path folder, Consumer<Long> progress) {
        double alone = rate(document -> tokenizer.encode(document).length);
        OptionalDouble jtokkit = OptionalDouble.empty();
        OptionalDouble huggingFace = OptionalDouble.empty();
        if (tokenizer.spec().equals("gpt2")) {
            Encoding encoding = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
            jtokkit = OptionalDouble.of(
                    rate(document -> encoding.encodeOrdinary(document).size()));
            try (HuggingFaceTokenizer other = huggingFace()) {
                huggingFace = OptionalDouble.of(
                        rate(document -> other.encode(document, false, false).getIds().length));
            }
        }
        try {
            Path text = folder.resolve("text.txt");
            Path shards = folder.resolve("shards");
            write(text, Math.min(textBytes, WARM_UP));
            prepare(text, shards, _ -> {});
            FileTree.delete(shards);
            write(text, textBytes);
            Clock clock = Clock.ofProcess();
            Manifest manifest = prepare(text, shards, progress);
            Times preparing = clock.times();
            OptionalLong resident = ResidentMemory.peak();
            boolean cold = true;
            for (Manifest.Stored stored : manifest.files()) {
                cold &= PageCache.drop(shards.resolve(stored.name()));
            }
            long bytes = manifest.splits().values().stream()
                    .mapToLong(Manifest.Split::textBytes)
                    .sum();
            Clock reader = Clock.ofThread();
            long tokens = read(shards);
            Times reading = reader.times();
            return new Result(
                    bytes,
                    tokens,
                    alone,
                    jtokkit,
                    huggingFace,
                    bytes / preparing.seconds(),
                    preparing.processorSeconds() / preparing.seconds(),
                    tokens / reading.seconds(),
                    tokens / reading.processorSeconds(),
                    cold,
                    resident);
        } catch (IOException e) {
            throw new BenchException("cannot write into " + folder + ": " + e.getMessage(), e);
        }
    }

    private Manifest prepare(Path text, Path shards, Consumer<Long> progress) {
        return new Preparation(tokenizer, TextInput.of(List.of(text)).splitting(DocumentBoundary.BLANK_LINE), shards)
                .threads(threads)
                .onProgress(p -> progress.accept(p.inputBytes()))
                .run()
                .manifest();
    }

    /** Hugging Face's tokenizer with the same vocabulary. */
    private HuggingFaceTokenizer huggingFace() {
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(TokenizerJson.of(tokenizer)),
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
        } catch (IOException e) {
            throw new BenchException("cannot load Hugging Face's tokenizer: " + e.getMessage(), e);
        }
    }

    /** Elapsed time and processor time. */
    private record Times(double seconds, double processorSeconds) {}

    /** Measures elapsed time and processor time since its creation. */
    private record Clock(LongSupplier processor, long begin, long processorBegin) {
        static Clock ofThread() {
            return of(ManagementFactory.getThreadMXBean()::getCurrentThreadCpuTime);
        }

        static Clock ofProcess() {
            return of(ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class)::getProcessCpuTime);
        }

        private static Clock of(LongSupplier processor) {
            return new Clock(processor, System.nanoTime(), processor.getAsLong());
        }

        Times times() {
            return new Times((System.nanoTime() - begin) / 1e9, (processor.getAsLong() - processorBegin) / 1e9);
        }
    }

    private static List<String> sample(TextInput text) {
        List<String> sample = new ArrayList<>();
        int[] chars = {0};
        // Reading cannot stop early, so later documents are read and dropped.
        text.read(document -> {
            if (chars[0] < SAMPLE_CHARS) {
                sample.add(document.text());
                chars[0] += document.text().length();
            }
        });
        return sample;
    }

    /** Bytes per second and core, best of several passes after a warm-up; {@code work} returns the number of tokens. */
    private double rate(ToIntFunction<String> work) {
        double best = 0;
        for (int pass = 0; pass <= PASSES; pass++) {
            Clock clock = Clock.ofThread();
            long tokens = sample.stream().mapToLong(work::applyAsInt).sum();
            double rate = sampleBytes / clock.times().processorSeconds();
            if (tokens == 0) {
                throw new BenchException("the text contains no tokens; give another text");
            }
            best = pass == 0 ? 0 : Math.max(best, rate);
        }
        return best;
    }

    private void write(Path file, long bytes) throws IOException {
        try (BufferedWriter out = Files.newBufferedWriter(file)) {
            for (long written = 0; written < bytes; written += sampleBytes) {
                for (String document : sample) {
                    out.write(document);
                    out.write("\n\n");
                }
            }
        }
    }

    private long read(Path folder) {
        try (Shards shards = Shards.open(folder)) {
            ShardList train = shards.train();
            int[] sequence = new int[SEQUENCE];
            int last = -1;
            for (long at = 0; at < train.tokens(); at += SEQUENCE - 1) {
                int count = (int) Math.min(SEQUENCE, train.tokens() - at);
                train.copyTokens(at, sequence, 0, count);
                last = sequence[count - 1];
            }
            if (last != tokenizer.endOfText()) {
                throw new BenchException("the shards end with token " + last + " instead of the end-of-text token");
            }
            return train.tokens();
        }
    }
}
