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
 * How fast text is tokenized, prepared and read. The text is a sample of real text; the input of the end-to-end run is
 * the sample again and again, in one file, so that it can be of any size.
 */
public final class DataBenchmark {
    private static final int SAMPLE_CHARS = 8 << 20;
    private static final int PASSES = 3;
    /** Text that is prepared before the clock starts, as the tokenizer's pass to warm up: the compiler's time is once. */
    private static final long WARM_UP = 32L << 20;
    /** Of a training sequence of 2048, with the target of its last. */
    private static final int SEQUENCE = 2049;

    private final Tokenizer tokenizer;
    private final int threads;
    private final List<String> sample;
    private final long sampleBytes;

    /**
     * Takes a sample of up to 8 MiB.
     *
     * @param threads that encode in the end-to-end run
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
     * What came out. Rates a core are per second of processor time, which other work on the machine hardly changes;
     * on an idle one they are those of a thread.
     *
     * @param textBytes in UTF-8
     * @param tokenizer bytes per second and core
     * @param jtokkit the same of the library by itself; only for {@code gpt2}
     * @param huggingFace the same of Hugging Face's library; only for {@code gpt2}
     * @param prepare reading, tokenizing and writing: bytes per second of time
     * @param prepareCores processor time over time of that, with all that the virtual machine does beside it
     * @param read tokens per second of time, on one thread
     * @param readCore tokens per second and core
     * @param readCold whether the system had let go of the files before they were read
     * @param peakResident of the process up to the end of preparing, in bytes
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

        /** What the end-to-end run has of {@code threads} times the tokenizer's rate. */
        public double efficiency(int threads) {
            return prepare / (threads * tokenizer);
        }

        /** The share of the processor time that the tokenizer alone would need: that efficiency where nothing waits. */
        public double coreEfficiency() {
            return prepare / (prepareCores * tokenizer);
        }
    }

    /**
     * Runs it.
     *
     * @param textBytes of the end-to-end run, about
     * @param folder for text and shards, some 1.6 times that
     * @param progress takes the bytes of input that are done
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

    /** Hugging Face's tokenizer of the same ranks. */
    private HuggingFaceTokenizer huggingFace() {
        try {
            return HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(TokenizerJson.of(tokenizer)),
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
        } catch (IOException e) {
            throw new BenchException("cannot load Hugging Face's tokenizer: " + e.getMessage(), e);
        }
    }

    /** Time that passed, and processor time. */
    private record Times(double seconds, double processorSeconds) {}

    /** Measures both from its beginning on. */
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
        // The input cannot be left in the middle, so what comes later is read and dropped.
        text.read(document -> {
            if (chars[0] < SAMPLE_CHARS) {
                sample.add(document.text());
                chars[0] += document.text().length();
            }
        });
        return sample;
    }

    /** Bytes per second and core: the best of some passes, after one to warm up; the work says how many ids it made. */
    private double rate(ToIntFunction<String> work) {
        double best = 0;
        for (int pass = 0; pass <= PASSES; pass++) {
            Clock clock = Clock.ofThread();
            long tokens = sample.stream().mapToLong(work::applyAsInt).sum();
            double rate = sampleBytes / clock.times().processorSeconds();
            if (tokens == 0) {
                throw new BenchException("the text has no tokens; give another");
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
                throw new BenchException("the shards end with the id " + last + " and no end of text");
            }
            return train.tokens();
        }
    }
}
