package dev.moe4j.quickstart;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.eval.perplexity.Perplexity;
import dev.moe4j.eval.perplexity.Score;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.report.pair.RunSummary;
import dev.moe4j.report.pair.Series;
import dev.moe4j.report.statistics.HeldOutLoss;
import dev.moe4j.report.statistics.LayerLoad;
import dev.moe4j.report.statistics.LearningCurve;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.train.Trainer;
import dev.moe4j.train.checkpoint.CheckpointWriter;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.StepResult;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/**
 * One of two models that train in parallel for the same time. Only training counts towards its seconds: the clock stops
 * during held-out evaluations.
 */
final class PairedRun implements AutoCloseable {

    static final String IN_DOMAIN = "in-domain";
    static final String OUT_OF_DOMAIN = "out-of-domain";

    /** Held-out windows per group (in-domain, out-of-domain) at each point of the learning curve. */
    private static final int CURVE_WINDOWS = 256;

    /** Held-out windows per text at the end of training. */
    private static final int FINAL_WINDOWS = 1024;

    private static final int EVALUATION_BATCH = 32;

    /** Points of the learning curve, evenly spaced in the logarithm of time, starting at {@link #FIRST_POINT}. */
    private static final int POINTS = 14;

    /** Time of the first point, as a share of the budget. */
    private static final double FIRST_POINT = 0.05;

    private final String name;
    private final RunConfig config;
    private final List<HeldOutText> heldOut;
    private final LanguageModel model;
    private final Trainer trainer;
    private final Cost cost;
    private final double peak;
    private final Map<String, List<LearningCurve.Point>> curves = new LinkedHashMap<>();
    private final List<double[]> losses = new ArrayList<>();
    private final List<double[]> throughput = new ArrayList<>();
    private final Map<Integer, double[]> load = new LinkedHashMap<>();
    private final Map<String, Score> scores = new LinkedHashMap<>();
    private volatile Status status = new Status(0, Double.NaN, 0, 0);
    private long tokens;
    private double seconds;
    private double learningRate;

    /**
     * Progress of a run.
     *
     * @param tokens training tokens so far
     * @param loss loss of the last step, in nats per token
     * @param seconds training time so far
     * @param tokensPerSecond throughput over about the last second
     */
    record Status(long tokens, double loss, double seconds, double tokensPerSecond) {}

    /**
     * @param name the model's name, for messages and the report
     * @param config the model's configuration
     * @param sampler training sequences
     * @param heldOut held-out texts
     * @param precision precision of training
     * @param peak measured matmul peak of the run's threads, in FLOP/s
     */
    PairedRun(
            String name,
            RunConfig config,
            BlockSampler sampler,
            List<HeldOutText> heldOut,
            Precision precision,
            double peak) {
        this.name = name;
        this.config = config;
        this.heldOut = heldOut;
        this.peak = peak;
        this.cost = Cost.of(config.architecture());
        this.model = LanguageModel.initialize(
                config.architecture(), precision, Device.CPU, new RandomKey(config.seed()).fold("initialization"));
        this.trainer = new Trainer(
                model,
                config.batch(),
                config.optimizer(),
                config.schedule(),
                sampler::sequence,
                config.seed(),
                Long.MAX_VALUE);
    }

    /**
     * Checks before training that the held-out text is long enough for an interval.
     *
     * @throws StudyException if there are fewer than two windows in or out of domain
     */
    void checkHeldOut() {
        for (String group : List.of(IN_DOMAIN, OUT_OF_DOMAIN)) {
            Perplexity perplexity = Perplexity.of(model);
            long windows = texts(group).stream()
                    .mapToLong(text -> perplexity.windows(text.tokens()))
                    .sum();
            if (windows < 2) {
                throw new StudyException(
                        "the held-out %s text gives %d window(s) of %d tokens, too few for an interval;"
                                        .formatted(
                                                group, windows, config.model().context())
                                + " give more text");
            }
        }
    }

    private List<HeldOutText> texts(String group) {
        return heldOut.stream()
                .filter(text -> text.inDomain() == group.equals(IN_DOMAIN))
                .toList();
    }

    /**
     * Trains, then scores all held-out texts.
     *
     * @param budget seconds of training
     * @param stop polled; once it returns true, the run ends without final scores
     */
    void run(double budget, BooleanSupplier stop) {
        int point = 0;
        double lastReport = 0;
        long tokensReported = 0;
        while (seconds < budget && !stop.getAsBoolean()) {
            long start = System.nanoTime();
            StepResult result = trainer.step();
            seconds += (System.nanoTime() - start) / 1e9;
            tokens += result.tokens();
            learningRate = result.learningRate();
            addLoad(result.routing());
            if (seconds - lastReport > Math.max(0.5, budget / 200)) {
                double rate = (tokens - tokensReported) / (seconds - lastReport);
                throughput.add(new double[] {seconds, rate});
                losses.add(new double[] {tokens, result.loss()});
                lastReport = seconds;
                tokensReported = tokens;
                status = new Status(tokens, result.loss(), seconds, rate);
            }
            if (seconds >= pointTime(point, budget)) {
                addCurvePoint();
                while (point < POINTS && seconds >= pointTime(point, budget)) {
                    point++;
                }
            }
        }
        for (HeldOutText text : heldOut) {
            if (stop.getAsBoolean()) {
                return;
            }
            scores.put(text.name(), score(text, FINAL_WINDOWS));
        }
    }

    private static double pointTime(int point, double budget) {
        return point >= POINTS
                ? Double.POSITIVE_INFINITY
                : budget * Math.pow(FIRST_POINT, 1 - (double) point / (POINTS - 1));
    }

    private void addCurvePoint() {
        for (String group : List.of(IN_DOMAIN, OUT_OF_DOMAIN)) {
            List<HeldOutText> texts = texts(group);
            List<HeldOutLoss.Window> windows = new ArrayList<>();
            for (HeldOutText text : texts) {
                Score score = score(text, CURVE_WINDOWS / texts.size());
                for (int i = 0; i < score.windows(); i++) {
                    windows.add(new HeldOutLoss.Window(score.windowNats()[i], score.windowTokens()[i]));
                }
            }
            curves.computeIfAbsent(group, _ -> new ArrayList<>())
                    .add(new LearningCurve.Point(
                            trainer.stepsDone(),
                            tokens,
                            tokens * cost.trainingFlopsPerToken(),
                            seconds,
                            new HeldOutLoss(windows)));
        }
    }

    private Score score(HeldOutText text, int windows) {
        return Perplexity.of(model).batch(EVALUATION_BATCH).maxWindows(windows).score(text.tokens());
    }

    private void addLoad(List<LayerRouting> routing) {
        for (LayerRouting layer : routing) {
            double[] now = layer.statistics().load();
            double[] sum = load.computeIfAbsent(layer.layer(), _ -> new double[now.length]);
            // An exponential moving average, so that the report shows the load towards the end.
            for (int e = 0; e < sum.length; e++) {
                sum[e] += 0.01 * (now[e] - sum[e]);
            }
        }
    }

    String name() {
        return name;
    }

    Status status() {
        return status;
    }

    RunConfig config() {
        return config;
    }

    long tokens() {
        return tokens;
    }

    double seconds() {
        return seconds;
    }

    /** Writes a checkpoint into a run's folder and returns the checkpoint's folder. */
    Path save(Path folder, Shards data) {
        double loss = losses.isEmpty() ? Double.NaN : losses.getLast()[1];
        return CheckpointWriter.save(folder, trainer.model(), trainer.state(), config, data, tokens, seconds, loss);
    }

    /** Mean of the perplexities of all in-domain or all out-of-domain texts, averaged as in the published study. */
    double perplexity(boolean inDomain) {
        return heldOut.stream()
                .filter(text -> text.inDomain() == inDomain)
                .mapToDouble(text -> score(text.name()).perplexity())
                .average()
                .orElse(Double.NaN);
    }

    private Score score(String text) {
        Score score = scores.get(text);
        if (score == null) {
            throw new StudyException(name + " was stopped before " + text + " was scored");
        }
        return score;
    }

    SequencedMap<String, LearningCurve> curves() {
        return curves.entrySet().stream()
                .collect(Collectors.toMap(
                        Map.Entry::getKey,
                        entry -> new LearningCurve(entry.getValue()),
                        (a, _) -> a,
                        LinkedHashMap::new));
    }

    RunSummary summary() {
        LinkedHashMap<String, RunSummary.DomainPerplexity> perplexities = new LinkedHashMap<>();
        for (HeldOutText text : heldOut) {
            perplexities.put(
                    text.name(),
                    new RunSummary.DomainPerplexity(score(text.name()).perplexity(), text.inDomain()));
        }
        double flops = cost.trainingFlopsPerToken();
        return new RunSummary(
                name,
                ConfigWriter.toYaml(config),
                cost.parametersTotal(),
                cost.parametersActive(),
                flops,
                3 * cost.forward().router(),
                tokens,
                seconds,
                learningRate,
                perplexities,
                series(losses, 1),
                curves(),
                series(throughput, 1),
                series(throughput, flops / peak),
                load.entrySet().stream()
                        .map(entry -> LayerLoad.of(entry.getKey(), entry.getValue()))
                        .toList());
    }

    private static Series series(List<double[]> points, double factor) {
        return Series.of(
                points.stream().mapToDouble(point -> point[0]).toArray(),
                points.stream().mapToDouble(point -> point[1] * factor).toArray());
    }

    @Override
    public void close() {
        model.close();
    }
}
