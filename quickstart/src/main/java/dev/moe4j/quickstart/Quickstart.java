package dev.moe4j.quickstart;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.report.pair.Report;
import dev.moe4j.report.pair.ReportData;
import dev.moe4j.report.pair.RunSummary;
import dev.moe4j.report.pair.Speedup;
import dev.moe4j.report.pair.SpeedupWords;
import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.study.steps.ConcurrentRuns;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.hardware.AutoPrecision;
import dev.moe4j.tensor.hardware.MatmulPeak;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The whole story on a CPU: prepares text, trains a dense model and a mixture of experts of the same FLOPs per token side
 * by side, evaluates both in and out of domain, and reports by how much the mixture pays. The learning rate is constant
 * after its warm-up, so that costs may be read along the learning curves.
 */
public final class Quickstart {

    private static final String TOKENIZER = "gpt2:2048";

    /** Below this many tokens factors of either sign came and went with the seed: docs/log.md. */
    private static final long LEAST_TOKENS = 3_000_000;

    /** Tokens a second that training reads at most, for the size of the text to prepare. */
    private static final double FASTEST = 150_000;

    private final Settings settings;
    private final Consumer<String> log;
    private final Consumer<Progress> progress;

    /**
     * What a user decides.
     *
     * @param folder text to train on; null for the JDK's own sources, else the project's
     * @param home the project's folder, null where it is not known
     * @param out where everything is written; it must not exist
     * @param minutes of training
     * @param seed of everything random
     */
    public record Settings(@Nullable Path folder, @Nullable Path home, Path out, double minutes, long seed) {

        public Settings {
            if (!(minutes > 0 && minutes <= 24 * 60)) {
                throw new StudyException("minutes: " + minutes + " is not between 0 and " + 24 * 60);
            }
        }
    }

    /** How far both models are. */
    public record Progress(double seconds, double budget, Running dense, Running moe) {

        /**
         * @param loss of the last step, nats per token
         */
        public record Running(long tokens, double loss, double tokensPerSecond) {}
    }

    /**
     * The figures of a quickstart; null where a curve does not reach.
     *
     * @param speedupFlops the dense FLOPs over the mixture's for the same held-out in-domain loss
     * @param speedupSeconds the same in seconds
     * @param sentence the result in words
     */
    public record Result(
            int vocabulary,
            Model dense,
            Model moe,
            @Nullable Double speedupFlops,
            @Nullable Double speedupSeconds,
            @Nullable Double speedupFlopsOutOfDomain,
            @Nullable Double speedupSecondsOutOfDomain,
            String sentence,
            String report) {

        public record Model(
                double inDomainPpl,
                double outOfDomainPpl,
                long parametersTotal,
                long parametersActive,
                double flopsPerToken,
                long tokens,
                double seconds,
                String checkpoint) {}
    }

    /**
     * @param log hears what is being done, in words
     * @param progress hears of training about once a second
     */
    public Quickstart(Settings settings, Consumer<String> log, Consumer<Progress> progress) {
        this.settings = settings;
        this.log = log;
        this.progress = progress;
    }

    /** Does it all. */
    public Result run() {
        Tokenizer tokenizer = Tokenizer.of(TOKENIZER);
        createFolder();
        int threads = Math.max(1, Processors.threads(1) / 2);
        Libtorch.threads(threads);
        double budget = settings.minutes() * 60;
        int entries = tokenizer.vocabularySize();
        RunConfig denseConfig =
                RunConfig.preset("quickstart-dense").withSeed(settings.seed()).forVocabulary(entries);
        RunConfig moeConfig =
                RunConfig.preset("quickstart-moe").withSeed(settings.seed()).forVocabulary(entries);
        QuickstartText.Location location = QuickstartText.Location.choose(settings.folder(), settings.home());
        try (QuickstartText text = QuickstartText.prepare(
                location,
                tokenizer,
                settings.out().resolve("data"),
                Math.max(200_000, budget * FASTEST),
                settings.seed(),
                log)) {
            Precision precision = AutoPrecision.of(Device.CPU).precision();
            double peak = MatmulPeak.measure(precision.compute(), Device.CPU);
            BlockSampler sampler = new BlockSampler(
                    text.training().train(), denseConfig.model().context(), settings.seed());
            try (Contestant dense = new Contestant("dense", denseConfig, sampler, text.heldOut(), precision, peak);
                    Contestant moe =
                            new Contestant("mixture of experts", moeConfig, sampler, text.heldOut(), precision, peak)) {
                dense.checkHeldOut();
                log.accept("training both models for %.1f minutes, %d thread(s) each, %s"
                        .formatted(settings.minutes(), threads, precision.compute()));
                trainSideBySide(dense, moe, budget);
                return report(text, tokenizer, dense, moe, precision, threads);
            }
        }
    }

    private void trainSideBySide(Contestant dense, Contestant moe, double budget) {
        ConcurrentRuns.run(
                Stream.of(dense, moe)
                        .map(each -> new ConcurrentRuns.Run(each.name(), stop -> each.run(budget, stop)))
                        .toList(),
                log,
                () -> progress.accept(new Progress(
                        Math.min(dense.status().seconds(), moe.status().seconds()),
                        budget,
                        running(dense),
                        running(moe))));
    }

    private static Progress.Running running(Contestant contestant) {
        Contestant.Status status = contestant.status();
        return new Progress.Running(status.tokens(), status.loss(), status.tokensPerSecond());
    }

    private Result report(
            QuickstartText text,
            Tokenizer tokenizer,
            Contestant dense,
            Contestant moe,
            Precision precision,
            int threads) {
        List<Speedup> speedups = Speedup.compareAll(dense.curves(), moe.curves());
        Speedup inFlops = find(speedups, Contestant.IN_DOMAIN, CostMeasure.FLOPS);
        Speedup inSeconds = find(speedups, Contestant.IN_DOMAIN, CostMeasure.SECONDS);
        String sentence = SpeedupWords.headline(inFlops, inSeconds);
        if (Math.min(dense.tokens(), moe.tokens()) < LEAST_TOKENS) {
            sentence = "Too short to tell, since under %,d million tokens seeds decide. %s"
                    .formatted(LEAST_TOKENS / 1_000_000, sentence);
        }
        Path file = settings.out().resolve("report.html");
        String machine = "%s, %d cores, %d thread(s) for each model, %s; Java %s, libtorch %s"
                .formatted(
                        System.getProperty("os.name") + " " + System.getProperty("os.arch"),
                        Processors.cores(),
                        threads,
                        precision.compute(),
                        Runtime.version().feature(),
                        Libtorch.VERSION);
        write(
                new ReportData(
                        "Does a mixture of experts pay?",
                        Instant.now(),
                        machine,
                        sentence,
                        TOKENIZER,
                        tokenizer.vocabularySize(),
                        text.description(),
                        dense.summary(),
                        moe.summary(),
                        speedups),
                file);
        return new Result(
                tokenizer.vocabularySize(),
                model(text, dense, "dense"),
                model(text, moe, "moe"),
                boxed(inFlops.factor()),
                boxed(inSeconds.factor()),
                boxed(find(speedups, Contestant.OUT_OF_DOMAIN, CostMeasure.FLOPS)
                        .factor()),
                boxed(find(speedups, Contestant.OUT_OF_DOMAIN, CostMeasure.SECONDS)
                        .factor()),
                sentence,
                file.toString());
    }

    private static void write(ReportData data, Path file) {
        try {
            Report.write(data, file);
        } catch (IOException e) {
            throw new StudyException("cannot write " + file + ": " + DataException.reason(e), e);
        }
    }

    private Result.Model model(QuickstartText text, Contestant contestant, String name) {
        Path checkpoint = contestant.save(settings.out().resolve(name), text.training());
        RunSummary summary = contestant.summary();
        return new Result.Model(
                contestant.perplexity(true),
                contestant.perplexity(false),
                summary.parametersTotal(),
                summary.parametersActive(),
                summary.flopsPerToken(),
                contestant.tokens(),
                contestant.seconds(),
                checkpoint.toString());
    }

    private static Speedup find(List<Speedup> speedups, String domain, CostMeasure cost) {
        return speedups.stream()
                .filter(speedup -> speedup.domain().equals(domain) && speedup.cost() == cost)
                .findFirst()
                .orElseThrow(() -> new StudyException("no comparison " + domain + " by " + cost));
    }

    private static @Nullable Double boxed(OptionalDouble value) {
        return value.isPresent() ? value.getAsDouble() : null;
    }

    private void createFolder() {
        Path out = settings.out();
        if (Files.exists(out)) {
            throw new StudyException(out + " exists already; give another --out or remove it");
        }
        try {
            Files.createDirectories(out);
        } catch (IOException e) {
            throw new StudyException("cannot create " + out + ": " + DataException.reason(e), e);
        }
    }
}
