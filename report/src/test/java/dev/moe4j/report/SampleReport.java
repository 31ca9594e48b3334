package dev.moe4j.report;

import dev.moe4j.report.pair.PairSpeedup;
import dev.moe4j.report.pair.PairSpeedupText;
import dev.moe4j.report.pair.ReportData;
import dev.moe4j.report.pair.RunSummary;
import dev.moe4j.report.pair.RunSummary.DomainPerplexity;
import dev.moe4j.report.pair.Series;
import dev.moe4j.report.statistics.HeldOutLoss;
import dev.moe4j.report.statistics.LayerLoad;
import dev.moe4j.report.statistics.LearningCurve;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.SplittableRandom;

/** A synthetic report of realistic size: two small models, four minutes each. */
public final class SampleReport {
    private static final int WINDOWS = 400;
    private static final int EVALUATIONS = 24;
    private static final double SECONDS = 230;

    private SampleReport() {}

    public static ReportData of(int experts, int moeLayers) {
        return of("Dense or mixture of experts?", "dense", experts, moeLayers);
    }

    /** With a title and a name that could break the page. */
    public static ReportData of(String title, String denseName, int experts, int moeLayers) {
        SequencedMap<String, LearningCurve> dense = new LinkedHashMap<>();
        SequencedMap<String, LearningCurve> moe = new LinkedHashMap<>();
        dense.put("in-domain", curve(66_100, 2.36e6, 0, 1, false));
        moe.put("in-domain", curve(44_400, 2.38e6, 0, 2, true));
        dense.put("out-of-domain", curve(66_100, 2.36e6, 0.66, 3, false));
        moe.put("out-of-domain", curve(44_400, 2.38e6, 0.66, 4, true));
        List<PairSpeedup> speedups = PairSpeedup.compareAll(dense, moe);
        return new ReportData(
                title,
                Instant.parse("2026-01-31T09:26:53Z"),
                "2 cores, 16 GiB; bf16 matmul peak 561 GFLOP/s with two threads; one thread for each model, in parallel",
                PairSpeedupText.headline(speedups.get(0), speedups.get(2)),
                "gpt2:2048",
                2048,
                new ReportData.TextData(
                        List.of(
                                new ReportData.Source("src.zip of the JDK", "training", 14_812, 21_400_000, Double.NaN),
                                new ReportData.Source(
                                        "src.zip, every 50th file", "held out, in-domain", 302, 431_000, 0.031),
                                new ReportData.Source(
                                        "java.xml, jdk.jfr", "held out, out-of-domain", 1_904, 380_000, 0.0004),
                                new ReportData.Source("legal", "held out, out-of-domain", 118, 96_000, Double.NaN)),
                        "Held out of training: every 50th file (in-domain); two whole modules and the legal texts"
                                + " (out-of-domain). The first 400 windows of 128 tokens of each are scored.",
                        List.of(
                                "Runs of spaces were collapsed to one space: this vocabulary has one token per space.")),
                run(denseName, 66_100, 2.36e6, 0, 413_696, 413_696, dense, List.of(), 1),
                run(
                        experts + " experts, top-2",
                        44_400,
                        2.38e6,
                        2.5e4,
                        413_696L + 33_000L * experts,
                        421_888,
                        moe,
                        load(experts, moeLayers),
                        0.955),
                speedups);
    }

    /** The report with different curves of the mixture. */
    static ReportData with(ReportData data, SequencedMap<String, LearningCurve> curves, List<PairSpeedup> speedups) {
        RunSummary moe = data.moe();
        RunSummary other = new RunSummary(
                moe.name(),
                moe.configuration(),
                moe.parametersTotal(),
                moe.parametersActive(),
                moe.flopsPerToken(),
                moe.routerFlopsPerToken(),
                moe.tokens(),
                moe.seconds(),
                moe.finalLearningRate(),
                moe.perplexities(),
                moe.trainingLoss(),
                curves,
                moe.throughput(),
                moe.utilisation(),
                moe.expertLoad());
        return new ReportData(
                data.title(),
                data.created(),
                data.machine(),
                PairSpeedupText.headline(speedups.get(0), speedups.get(2)),
                data.tokenizer(),
                data.vocabulary(),
                data.data(),
                data.dense(),
                other,
                speedups);
    }

    private static RunSummary run(
            String name,
            double tokensPerSecond,
            double flopsPerToken,
            double routerFlops,
            long parameters,
            long active,
            SequencedMap<String, LearningCurve> curves,
            List<LayerLoad> load,
            double skill) {
        SplittableRandom random = new SplittableRandom(name.hashCode());
        SequencedMap<String, DomainPerplexity> perplexities = new LinkedHashMap<>();
        String[] domains = {
            "wikipedia",
            "books",
            "java_code",
            "news",
            "question_answers",
            "patents",
            "arxiv_physics",
            "arxiv_math",
            "math_competition",
            "irc",
            "legal"
        };
        double[] values = {41.2, 55.9, 18.4, 48.8, 38.1, 30.2, 44.9, 96.3, 71.5, 132.4, 58.7};
        for (int i = 0; i < domains.length; i++) {
            double jitter = skill < 1 ? 1 + 0.03 * random.nextGaussian() : 1;
            perplexities.put(domains[i], new DomainPerplexity(values[i] * skill * jitter, i < 7));
        }
        int steps = 2000;
        double[] tokens = new double[steps];
        double[] seconds = new double[steps];
        double[] loss = new double[steps];
        double[] throughput = new double[steps];
        double[] utilisation = new double[steps];
        for (int i = 0; i < steps; i++) {
            seconds[i] = SECONDS * (i + 1) / steps;
            tokens[i] = seconds[i] * tokensPerSecond;
            loss[i] = loss(tokens[i] * flopsPerToken, skill < 1) + 0.12 * random.nextGaussian();
            throughput[i] =
                    tokensPerSecond * (1 - 0.25 * Math.exp(-seconds[i] / 5)) * (1 + 0.04 * random.nextGaussian());
            utilisation[i] = throughput[i] * flopsPerToken / 300e9;
        }
        return new RunSummary(
                name,
                """
                model:
                  width: 64
                  layers: 4
                  heads: 4
                  sequence: 128
                  vocabulary: 2048
                optimizer:
                  learning_rate: 0.004   # constant after 50 steps of warm-up
                  betas: [0.9, 0.98]
                precision: bf16
                """,
                parameters,
                active,
                flopsPerToken,
                routerFlops,
                (long) (SECONDS * tokensPerSecond),
                SECONDS,
                0.004,
                perplexities,
                Series.of(tokens, loss),
                curves,
                Series.of(seconds, throughput),
                Series.of(seconds, utilisation),
                load);
    }

    private static double loss(double flops, boolean mixture) {
        double gain = mixture ? Math.max(0.8, 0.75 + 0.22 * Math.log(flops / 0.5e12)) : 1;
        return 1.9 + 1.854 * Math.pow(flops * gain / 35.9e12, -0.2);
    }

    private static LearningCurve curve(
            double tokensPerSecond, double flopsPerToken, double harder, long seed, boolean mixture) {
        SplittableRandom shared = new SplittableRandom(77);
        SplittableRandom own = new SplittableRandom(seed);
        double[] difficulty = new double[WINDOWS];
        for (int i = 0; i < WINDOWS; i++) {
            difficulty[i] = 0.5 * shared.nextGaussian() + 0.15 * own.nextGaussian();
        }
        long[] tokens = new long[WINDOWS];
        Arrays.fill(tokens, 127);
        List<LearningCurve.Point> points = new ArrayList<>();
        for (int i = 0; i < EVALUATIONS; i++) {
            double seconds = 5 * Math.pow(SECONDS / 5, i / (EVALUATIONS - 1.0));
            double seen = seconds * tokensPerSecond;
            double jitter = 0.012 * own.nextGaussian();
            double[] nats = new double[WINDOWS];
            for (int window = 0; window < WINDOWS; window++) {
                nats[window] =
                        127 * Math.max(0.1, loss(seen * flopsPerToken, mixture) + harder + difficulty[window] + jitter);
            }
            points.add(new LearningCurve.Point(
                    (long) (seen / 2048), (long) seen, seen * flopsPerToken, seconds, HeldOutLoss.of(nats, tokens)));
        }
        return new LearningCurve(points);
    }

    private static List<LayerLoad> load(int experts, int layers) {
        SplittableRandom random = new SplittableRandom(5);
        List<LayerLoad> load = new ArrayList<>();
        for (int layer = 0; layer < layers; layer++) {
            double[] tokens = new double[experts];
            for (int expert = 0; expert < experts; expert++) {
                tokens[expert] = Math.exp(0.45 * random.nextGaussian());
            }
            if (layer == layers - 1) {
                tokens[3] = 0.04;
            }
            load.add(LayerLoad.of(2 * layer + 1, tokens));
        }
        return load;
    }
}
