package dev.moe4j.report.pair;

import dev.moe4j.report.statistics.LayerLoad;
import dev.moe4j.report.statistics.LearningCurve;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The data of a quickstart report as JSON for the page's script. Long series are thinned to screen resolution. */
public final class ReportJson {
    /** Longer series are thinned. */
    private static final int MAX_POINTS = 400;

    private static final JsonMapper JSON = new JsonMapper();
    private static final MathContext DIGITS = new MathContext(7);

    private ReportJson() {}

    static ObjectNode of(ReportData data) {
        ObjectNode root = JSON.createObjectNode();
        root.put("machine", data.machine());
        root.put("tokenizer", data.tokenizer());
        root.put("vocabulary", data.vocabulary());
        root.put("resamples", PairSpeedup.RESAMPLES);
        root.put("seedSpread", PairSpeedupText.SEED_SPREAD);
        ObjectNode text = root.putObject("text");
        text.put("heldOut", data.data().heldOut());
        ArrayNode notes = text.putArray("notes");
        data.data().notes().forEach(notes::add);
        ArrayNode sources = text.putArray("sources");
        for (ReportData.Source source : data.data().sources()) {
            ObjectNode entry = sources.addObject()
                    .put("name", source.name())
                    .put("use", source.use())
                    .put("documents", source.documents())
                    .put("tokens", source.tokens());
            number(entry, "overlap", source.overlap());
        }
        root.set("dense", node(data.dense()));
        root.set("moe", node(data.moe()));
        ArrayNode speedups = root.putArray("speedups");
        data.speedups().forEach(speedup -> speedups.add(node(speedup)));
        return root;
    }

    private static ObjectNode node(RunSummary run) {
        ObjectNode node = JSON.createObjectNode();
        node.put("name", run.name());
        node.put("configuration", run.configuration());
        node.put("parametersTotal", run.parametersTotal());
        node.put("parametersActive", run.parametersActive());
        number(node, "flopsPerToken", run.flopsPerToken());
        number(node, "routerFlopsPerToken", run.routerFlopsPerToken());
        node.put("tokens", run.tokens());
        number(node, "seconds", run.seconds());
        number(node, "finalLearningRate", run.finalLearningRate());
        ArrayNode perplexities = node.putArray("perplexities");
        run.perplexities().forEach((domain, result) -> {
            ObjectNode entry = perplexities.addObject().put("domain", domain);
            number(entry, "perplexity", result.perplexity());
            entry.put("inDomain", result.inDomain());
        });
        ArrayNode curves = node.putArray("curves");
        run.curves().forEach((domain, curve) -> {
            ObjectNode entry = curves.addObject().put("domain", domain);
            numbers(entry.putArray("tokens"), curve.points(), LearningCurve.Point::tokens);
            numbers(entry.putArray("flops"), curve.points(), LearningCurve.Point::flops);
            numbers(entry.putArray("seconds"), curve.points(), LearningCurve.Point::seconds);
            numbers(entry.putArray("loss"), curve.points(), LearningCurve.Point::loss);
        });
        node.set("trainingLoss", node(run.trainingLoss()));
        node.set("throughput", node(run.throughput()));
        node.set("utilisation", node(run.utilisation()));
        ArrayNode load = node.putArray("load");
        for (LayerLoad layer : run.expertLoad()) {
            ObjectNode entry = load.addObject().put("layer", layer.layer());
            numbers(entry.putArray("shares"), layer.shares(), Double::doubleValue);
        }
        return node;
    }

    private static ObjectNode node(PairSpeedup speedup) {
        ObjectNode node = JSON.createObjectNode();
        node.put("domain", speedup.domain());
        node.put("cost", speedup.cost().name());
        node.put("verdict", speedup.verdict().name());
        node.put("words", speedup.verdict().words());
        node.put("sentence", PairSpeedupText.sentence(speedup));
        node.put("windows", speedup.windows());
        number(node, "targetLoss", speedup.targetLoss());
        number(node, "denseBudget", speedup.denseBudget());
        number(node, "moeBudget", speedup.moeBudget());
        speedup.reading().ifPresent(reading -> {
            ObjectNode entry = node.putObject("reading");
            number(entry, "factor", reading.factor());
            number(entry, "low", reading.interval().low());
            number(entry, "high", reading.interval().high());
            number(entry, "denseCost", reading.denseCost());
            number(entry, "moeCost", reading.moeCost());
        });
        speedup.atEqualCost().ifPresent(equal -> {
            ObjectNode entry = node.putObject("equal");
            number(entry, "cost", equal.cost());
            number(entry, "difference", equal.lossDifference());
            number(entry, "low", equal.difference().low());
            number(entry, "high", equal.difference().high());
        });
        return node;
    }

    private static ObjectNode node(Series series) {
        List<Series.Point> points = thinned(series).points();
        ObjectNode node = JSON.createObjectNode();
        numbers(node.putArray("x"), points, Series.Point::x);
        numbers(node.putArray("y"), points, Series.Point::y);
        return node;
    }

    /** Averages groups of neighbouring points so that at most {@link #MAX_POINTS} remain. All groups but the last are equally large. */
    static Series thinned(Series series) {
        int size = series.points().size();
        if (size <= MAX_POINTS) {
            return series;
        }
        int neighbours = (size + MAX_POINTS - 1) / MAX_POINTS;
        List<Series.Point> means = new ArrayList<>();
        for (int from = 0; from < size; from += neighbours) {
            List<Series.Point> group = series.points().subList(from, Math.min(size, from + neighbours));
            means.add(new Series.Point(
                    group.stream().mapToDouble(Series.Point::x).sum() / group.size(),
                    group.stream().mapToDouble(Series.Point::y).sum() / group.size()));
        }
        return new Series(means);
    }

    /** Adds one number per value; null for a value that is not finite. */
    public static <T> void numbers(ArrayNode array, List<T> values, ToDoubleFunction<T> number) {
        for (T value : values) {
            double each = number.applyAsDouble(value);
            if (Double.isFinite(each)) {
                array.add(rounded(each));
            } else {
                array.addNull();
            }
        }
    }

    /** Adds a number; null if it is not finite. */
    public static void number(ObjectNode node, String name, double value) {
        if (Double.isFinite(value)) {
            node.put(name, rounded(value));
        } else {
            node.putNull(name);
        }
    }

    /** Rounds to seven digits. More would be invisible and would make up most of the file. */
    private static double rounded(double value) {
        return new BigDecimal(value).round(DIGITS).doubleValue();
    }
}
