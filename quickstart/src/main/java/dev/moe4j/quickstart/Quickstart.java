package dev.moe4j.quickstart;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.report.pair.PairSpeedup;
import dev.moe4j.report.pair.PairSpeedupText;
import dev.moe4j.report.pair.Report;
import dev.moe4j.report.pair.ReportData;
import dev.moe4j.report.pair.RunSummary;
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
 * Compares a dense model with a mixture of experts on a CPU in minutes. It prepares text, trains both models in parallel
 * with the same FLOPs per token, evaluates them in and out of domain, and writes a report on the speedup. The learning
 * rate is constant after warm-up, so that costs can be read from the learning curves.
 */
public final class Quickstart {

    private static final String TOKENIZER = "gpt2:2048";

    /** With fewer training tokens the seed decides which model wins; docs/log.md has the measurement. */
    private static final long LEAST_TOKENS = 3_000_000;

    /** Upper bound of the training throughput in tokens per second; determines how much text is prepared. */
    private static final double FASTEST = 150_000;

    private final Settings settings;
    private final Consumer<String> log;
    private final Consumer<Progress> progress;

    /**
     * Settings of a quickstart.
     *
     * @param folder folder of the text to train on; null for the JDK's sources, or the project's if the JDK has none
     * @param home the project's folder; null if unknown
     * @param out output folder; must not exist
     * @param minutes minutes of training, above 0 and at most 1440
     * @param seed seed of data selection, initialization and training
     */
    public record Settings(@Nullable Path folder, @Nullable Path home, Path out, double minutes, long seed) {

        public Settings {
            if (!(minutes > 0 && minutes <= 24 * 60)) {
                throw new StudyException("minutes: " + minutes + " is not between 0 and " + 24 * 60);
            }
        }
    }

    /**
     * Progress of both models.
     *
     * @param seconds training time of the slower run
     * @param budget seconds of training
     * @param dense the dense run
     * @param moe the mixture's run
     */
    public record Progress(double seconds, double budget, Running dense, Running moe) {

        /**
         * Progress of one run.
         *
         * @param tokens training tokens so far
         * @param loss loss of the last step, in nats per token
         * @param tokensPerSecond current throughput
         */
        public record Running(long tokens, double loss, double tokensPerSecond) {}
    }

    /**
     * Result of a quickstart. A speedup is null if the curves do not enclose the target loss.
     *
     * @param vocabulary size of the vocabulary
     * @param dense the dense model
     * @param moe the mixture of experts
     * @param speedupFlops dense FLOPs over the mixture's FLOPs at the same in-domain held-out loss
     * @param speedupSeconds the same in seconds
     * @param speedupFlopsOutOfDomain the speedup in FLOPs on out-of-domain text
     * @param speedupSecondsOutOfDomain the speedup in seconds on out-of-domain text
     * @param sentence the result in words
     * @param report the report's file
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

        /**
         * One trained model.
         *
         * @param inDomainPpl mean in-domain perplexity
         * @param outOfDomainPpl mean out-of-domain perplexity
         * @param parametersTotal all parameters
         * @param parametersActive parameters that one token uses
         * @param flopsPerToken training FLOPs per token
         * @param tokens training tokens
         * @param seconds training time
         * @param checkpoint the checkpoint's folder
         */
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
     * @param settings settings of the quickstart
     * @param log receives a line at each stage
     * @param progress receives the progress of training about once a second
     */
    public Quickstart(Settings settings, Consumer<String> log, Consumer<Progress> progress) {
        this.settings = settings;
        this.log = log;
        this.progress = progress;
    }

    /**
     * Prepares text, trains, evaluates and writes the report.
     *
     * @throws StudyException if the output folder exists, the text is too short, or a training fails
     */
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
            try (PairedRun dense = new PairedRun("dense", denseConfig, sampler, text.heldOut(), precision, peak);
                    PairedRun moe =
                            new PairedRun("mixture of experts", moeConfig, sampler, text.heldOut(), precision, peak)) {
                dense.checkHeldOut();
                log.accept("training both models for %.1f minutes, %d thread(s) each, %s"
                        .formatted(settings.minutes(), threads, precision.compute()));
                trainInParallel(dense, moe, budget);
                return report(text, tokenizer, dense, moe, precision, threads);
            }
        }
    }

    private void trainInParallel(PairedRun dense, PairedRun moe, double budget) {
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

    private static Progress.Running running(PairedRun run) {
        PairedRun.Status status = run.status();
        return new Progress.Running(status.tokens(), status.loss(), status.tokensPerSecond());
    }

    private Result report(
            QuickstartText text,
            Tokenizer tokenizer,
            PairedRun dense,
            PairedRun moe,
            Precision precision,
            int threads) {
        List<PairSpeedup> speedups = PairSpeedup.compareAll(dense.curves(), moe.curves());
        PairSpeedup inFlops = find(speedups, PairedRun.IN_DOMAIN, CostMeasure.FLOPS);
        PairSpeedup inSeconds = find(speedups, PairedRun.IN_DOMAIN, CostMeasure.SECONDS);
        String sentence = PairSpeedupText.headline(inFlops, inSeconds);
        if (Math.min(dense.tokens(), moe.tokens()) < LEAST_TOKENS) {
            sentence = "Too short to tell, as below %,d million tokens the seed decides. %s"
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
                boxed(find(speedups, PairedRun.OUT_OF_DOMAIN, CostMeasure.FLOPS).factor()),
                boxed(find(speedups, PairedRun.OUT_OF_DOMAIN, CostMeasure.SECONDS)
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

    private Result.Model model(QuickstartText text, PairedRun run, String name) {
        Path checkpoint = run.save(settings.out().resolve(name), text.training());
        RunSummary summary = run.summary();
        return new Result.Model(
                run.perplexity(true),
                run.perplexity(false),
                summary.parametersTotal(),
                summary.parametersActive(),
                summary.flopsPerToken(),
                run.tokens(),
                run.seconds(),
                checkpoint.toString());
    }

    private static PairSpeedup find(List<PairSpeedup> speedups, String domain, CostMeasure cost) {
        return speedups.stream()
                .filter(speedup -> speedup.domain().equals(domain) && speedup.cost() == cost)
                .findFirst()
                .orElseThrow(() -> new StudyException("no comparison of " + domain + " text by " + cost));
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
