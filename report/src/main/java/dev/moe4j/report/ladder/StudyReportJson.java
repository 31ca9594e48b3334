package dev.moe4j.report.ladder;

import dev.moe4j.report.pair.ReportJson;
import dev.moe4j.report.statistics.ComparedGroup;
import dev.moe4j.report.statistics.CostCurve;
import dev.moe4j.report.statistics.FamilySpeedup;
import dev.moe4j.report.statistics.Interval;
import dev.moe4j.report.statistics.LayerLoad;
import dev.moe4j.report.statistics.ModelAtBudget;
import dev.moe4j.report.statistics.QualityMetric;
import dev.moe4j.report.statistics.SpeedupCurve;
import dev.moe4j.report.statistics.TrainedModel;
import dev.moe4j.report.statistics.TrainedModel.TaskFigure;
import dev.moe4j.report.statistics.TrainedModel.TaskScore;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StudyIndex;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** The report on studies as JSON, for the page's script and for other programs. */
final class StudyReportJson {

    private StudyReportJson() {}

    static ObjectNode of(
            StudyResults results, List<ComparedGroup> groups, List<String> limits, @Nullable Published published) {
        ObjectNode root = Step.object();
        ArrayNode machines = root.putArray("machines");
        results.studies().stream().map(StudyIndex::machine).distinct().forEach(machines::add);
        root.put("energy_assumed", results.trained().stream().anyMatch(each -> each.measuredJoules() == null));
        ArrayNode watts = root.putArray("watts");
        results.studies().stream().map(StudyIndex::watts).distinct().forEach(watts::add);
        root.put("missing", results.missing());
        ArrayNode sentences = root.putArray("limits");
        limits.forEach(sentences::add);
        ArrayNode all = root.putArray("groups");
        groups.forEach(group -> all.add(of(group)));
        if (published == null) {
            root.putNull("published");
        } else {
            root.set("published", of(published));
        }
        return root;
    }

    private static ObjectNode of(ComparedGroup group) {
        ObjectNode node = Step.object();
        node.put("data", group.run().data());
        node.put("tokenizer", group.run().tokenizer());
        ArrayNode models = node.putArray("rungs");
        group.models().forEach(model -> models.add(of(model, group.largest().contains(model))));
        ArrayNode means = node.putArray("means");
        group.means().forEach(each -> means.add(of(each, true)));
        ArrayNode members = node.putArray("members");
        group.members().forEach(each -> members.add(of(each, false)));
        List<ModelAtBudget> largest = group.largest();
        node.set("texts", texts(largest));
        node.set("zero_shot", tasks(largest, TrainedModel::zeroShot));
        node.set("few_shot", tasks(largest, TrainedModel::fewShot));
        node.set("bias", tasks(largest, TrainedModel::bias));
        node.set("fine_tuned", fineTuned(largest));
        node.set("experts", experts(largest));
        return node;
    }

    // ---- models ----

    private static ObjectNode of(ModelAtBudget model, boolean largest) {
        StudyIndex.Run run = model.run();
        ObjectNode node = Step.object();
        node.put("model", run.model());
        node.put("dense", run.isDense());
        node.put("experts", run.experts());
        node.put("tokens", run.tokens());
        node.put("largest", largest);
        node.put("parameters_total", run.parametersTotal());
        node.put("parameters_active", run.parametersActive());
        ReportJson.number(node, "flops", model.mean(TrainedModel::flops));
        ReportJson.number(node, "router_share", run.routerFlopsPerToken() / run.flopsPerToken());
        ReportJson.number(node, "published_flops", run.publishedFlopsPerToken() * run.tokens());
        ReportJson.number(node, "seconds", model.mean(TrainedModel::seconds));
        ReportJson.number(node, "joules", model.mean(TrainedModel::joules));
        node.put("configuration", run.configuration());
        ArrayNode seeds = node.putArray("seeds");
        for (TrainedModel seed : model.seeds()) {
            ObjectNode each = seeds.addObject();
            each.put("seed", seed.run().seed());
            ReportJson.number(each, "flops", seed.flops());
            ReportJson.number(each, "seconds", seed.seconds());
            ReportJson.number(each, "joules", seed.joules());
            ReportJson.number(each, "loss", seed.loss());
            for (QualityMetric.Group group : QualityMetric.Group.values()) {
                ReportJson.number(each, key(group), mean(seed, group));
            }
        }
        return node;
    }

    private static double mean(TrainedModel trained, QualityMetric.Group group) {
        return trained.members(group).stream()
                .mapToDouble(member -> trained.value(group, member))
                .average()
                .orElse(Double.NaN);
    }

    private static String key(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    // ---- comparisons ----

    private static ObjectNode of(FamilySpeedup comparison, boolean curves) {
        ObjectNode node = Step.object();
        node.put("group", key(comparison.metric().group()));
        node.put("member", comparison.metric().member());
        node.put("cost", comparison.cost().name());
        node.put("verdict", comparison.verdict().name());
        node.put("words", comparison.verdict().words());
        node.put("seeds", comparison.seeds());
        ReportJson.number(node, "target", comparison.target());
        ReportJson.number(node, "dense_cost", comparison.denseCost());
        ReportJson.number(node, "moe_cost", comparison.moeCost());
        ReportJson.number(node, "factor", comparison.factor());
        ReportJson.number(node, "low", comparison.interval().map(Interval::low).orElse(Double.NaN));
        ReportJson.number(
                node, "high", comparison.interval().map(Interval::high).orElse(Double.NaN));
        if (curves) {
            node.set("dense", of(comparison.dense()));
            node.set("moe", of(comparison.moe()));
            node.set("curve", of(comparison.curve()));
        }
        return node;
    }

    private static ObjectNode of(CostCurve curve) {
        ObjectNode node = Step.object();
        ReportJson.numbers(node.putArray("cost"), curve.points(), CostCurve.Point::cost);
        ReportJson.numbers(node.putArray("figure"), curve.points(), CostCurve.Point::metric);
        return node;
    }

    private static ObjectNode of(SpeedupCurve curve) {
        ObjectNode node = Step.object();
        ReportJson.numbers(node.putArray("dense_cost"), curve.samples(), SpeedupCurve.Sample::denseCost);
        ReportJson.numbers(node.putArray("speedup"), curve.samples(), SpeedupCurve.Sample::speedup);
        ArrayNode knots = node.putArray("knot");
        curve.samples().forEach(sample -> knots.add(sample.knot()));
        return node;
    }

    private static ObjectNode of(Published published) {
        ObjectNode node = Step.object();
        node.put("source", published.source());
        ArrayNode models = node.putArray("models");
        for (Published.Model model : published.models()) {
            ObjectNode each = models.addObject();
            each.put("model", model.name());
            each.put("dense", model.experts() == 0);
            each.put("zettaflops", model.zettaflops());
            each.put("in_domain", model.inDomain());
            each.put("out_of_domain", model.outOfDomain());
            each.put("zero_shot", model.zeroShot());
        }
        ObjectNode curves = node.putObject("curves");
        for (QualityMetric.Group group : QualityMetric.Group.values()) {
            curves.set(key(group), of(published.speedup(QualityMetric.mean(group))));
        }
        return node;
    }

    // ---- tables of all models ----

    private static ArrayNode texts(List<ModelAtBudget> models) {
        Map<String, Boolean> names = new LinkedHashMap<>();
        models.forEach(
                model -> model.seeds().getFirst().texts().forEach((name, text) -> names.put(name, text.inDomain())));
        ArrayNode texts = Step.object().putArray("texts");
        names.forEach((name, inDomain) -> {
            ObjectNode node = texts.addObject();
            node.put("name", name);
            node.put("in_domain", inDomain);
            ReportJson.number(node, "training_overlap", overlap(models, name));
            ArrayNode values = node.putArray("values");
            for (ModelAtBudget model : models) {
                List<TrainedModel.TextScore> scores =
                        measured(model, seed -> seed.texts().get(name));
                if (scores.isEmpty()) {
                    values.addNull();
                    continue;
                }
                ObjectNode value = values.addObject();
                spread(value, scores, TrainedModel.TextScore::perplexity);
                ReportJson.number(
                        value,
                        "bits_per_byte",
                        scores.stream()
                                .mapToDouble(TrainedModel.TextScore::bitsPerByte)
                                .average()
                                .orElseThrow());
            }
        });
        return texts;
    }

    /** The share of an evaluation text that occurs in the training text, from 0 to 1; NaN if not checked. */
    private static double overlap(List<ModelAtBudget> models, String text) {
        return models.stream()
                .flatMap(model -> model.seeds().stream())
                .flatMap(seed -> Stream.ofNullable(seed.texts().get(text)))
                .mapToDouble(TrainedModel.TextScore::overlap)
                .filter(Double::isFinite)
                .findFirst()
                .orElse(Double.NaN);
    }

    private static <T> List<T> measured(ModelAtBudget model, Function<TrainedModel, @Nullable T> score) {
        return model.seeds().stream().map(score).filter(Objects::nonNull).toList();
    }

    /** Adds mean, minimum and maximum over seeds. */
    private static <T> void spread(ObjectNode node, List<T> seeds, ToDoubleFunction<T> figure) {
        var statistics = seeds.stream().mapToDouble(figure).summaryStatistics();
        ReportJson.number(node, "mean", statistics.getAverage());
        ReportJson.number(node, "low", statistics.getMin());
        ReportJson.number(node, "high", statistics.getMax());
    }

    /**
     * One row per figure of each task. Interval ends are means over seeds. Counts of omitted questions and truncated
     * prompts are the largest of any seed.
     */
    private static ArrayNode tasks(List<ModelAtBudget> models, Function<TrainedModel, Map<String, TaskScore>> which) {
        Map<String, TaskScore> rows = new LinkedHashMap<>();
        models.forEach(model -> which.apply(model.seeds().getFirst()).forEach(rows::putIfAbsent));
        ArrayNode tasks = Step.object().putArray("tasks");
        rows.forEach((task, first) -> {
            for (int i = 0; i < first.figures().size(); i++) {
                int figure = i;
                ObjectNode node = tasks.addObject();
                node.put("task", task);
                node.put("figure", first.figures().get(i).name());
                node.put("shots", first.shots());
                node.put("runs", first.runs());
                node.put("questions", first.questions());
                ReportJson.number(node, "chance", i == 0 ? first.chance() : Double.NaN);
                ArrayNode values = node.putArray("values");
                for (ModelAtBudget model : models) {
                    List<TaskScore> scores =
                            measured(model, seed -> which.apply(seed).get(task));
                    if (scores.isEmpty()) {
                        values.addNull();
                    } else {
                        value(values.addObject(), scores, figure);
                    }
                }
            }
        });
        return tasks;
    }

    private static void value(ObjectNode node, List<TaskScore> seeds, int figure) {
        List<TaskFigure> all =
                seeds.stream().map(score -> score.figures().get(figure)).toList();
        ReportJson.number(node, "mean", average(all, TaskFigure::mean));
        ReportJson.number(node, "deviation", average(all, TaskFigure::deviation));
        ReportJson.number(node, "low", average(all, TaskFigure::low));
        ReportJson.number(node, "high", average(all, TaskFigure::high));
        node.put("left_out", seeds.stream().mapToInt(TaskScore::leftOut).max().orElse(0));
        node.put(
                "cut_prompts",
                seeds.stream().mapToLong(TaskScore::cutPrompts).max().orElse(0));
    }

    private static <T> double average(List<T> values, ToDoubleFunction<T> figure) {
        return values.stream().mapToDouble(figure).average().orElse(Double.NaN);
    }

    /** The output of {@code finetune} for each model, without its runs. */
    private static ArrayNode fineTuned(List<ModelAtBudget> models) {
        ArrayNode rows = Step.object().putArray("rows");
        for (ModelAtBudget model : models) {
            List<TrainedModel.FineTuned> all = model.seeds().getFirst().fineTuned();
            for (TrainedModel.FineTuned each : all) {
                ObjectNode node = rows.addObject();
                node.put("model", model.run().model());
                node.put("dense", model.isDense());
                node.put("task", each.task());
                node.put("name", each.name(all));
                for (String key : List.of("figure", "chance", "learning_rate", "zero_shot", "fine_tuned")) {
                    node.set(key, each.output().get(key));
                }
            }
        }
        return rows;
    }

    /** Expert load of each MoE model, by layer and text, relative to an even share. */
    private static ArrayNode experts(List<ModelAtBudget> models) {
        ArrayNode nodes = Step.object().putArray("models");
        for (ModelAtBudget model : models) {
            TrainedModel seed = model.seeds().getFirst();
            Map<Integer, ObjectNode> layers = new TreeMap<>();
            seed.texts().forEach((name, text) -> {
                for (LayerLoad layer : text.experts()) {
                    ObjectNode node = layers.computeIfAbsent(layer.layer(), number -> {
                        ObjectNode made = Step.object();
                        made.put("layer", number);
                        made.putArray("rows");
                        return made;
                    });
                    ObjectNode row = ((ArrayNode) node.get("rows")).addObject();
                    row.put("text", name);
                    row.put("in_domain", text.inDomain());
                    ReportJson.numbers(
                            row.putArray("relative"),
                            layer.shares(),
                            share -> share * layer.shares().size());
                }
            });
            if (!layers.isEmpty()) {
                ObjectNode node = nodes.addObject();
                node.put("model", model.run().model());
                node.put("seed", seed.run().seed());
                ArrayNode all = node.putArray("layers");
                layers.values().forEach(all::add);
            }
        }
        return nodes;
    }
}
