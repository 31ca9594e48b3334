package dev.moe4j.report.ladder;

import dev.moe4j.report.statistics.LayerLoad;
import dev.moe4j.report.statistics.TrainedModel;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StudyFolder;
import dev.moe4j.study.steps.StudyIndex;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * The results of studies so far.
 *
 * @param studies the studies' tables of contents
 * @param trained the models whose training has finished, in the studies' order
 * @param missing number of steps that have not finished
 */
public record StudyResults(List<StudyIndex> studies, List<TrainedModel> trained, int missing) {

    public StudyResults {
        studies = List.copyOf(studies);
        trained = List.copyOf(trained);
    }

    /**
     * Reads studies. If some run's energy was not measured, all energies are assumed, so that no measured energy is
     * compared with an assumed one.
     *
     * @param folders folders of studies
     * @throws dev.moe4j.study.steps.StudyException if a folder is not a study's folder, or is damaged
     */
    public static StudyResults read(List<Path> folders) {
        List<StudyIndex> studies = new ArrayList<>();
        List<TrainedModel> trained = new ArrayList<>();
        int missing = 0;
        for (Path folder : folders) {
            StudyIndex index = StudyFolder.index(folder);
            studies.add(index);
            Reader reader = new Reader(index, folder.resolve("steps"));
            for (StudyIndex.Run run : index.runs()) {
                reader.trained(run).ifPresent(trained::add);
            }
            missing += reader.missing.size();
        }
        boolean measured = trained.stream().allMatch(each -> each.measuredJoules() != null);
        return new StudyResults(
                studies,
                measured
                        ? trained
                        : trained.stream().map(TrainedModel::assumingEnergy).toList(),
                missing);
    }

    /** Reads the steps' results of one study. */
    private static final class Reader {
        private final StudyIndex index;
        private final Path steps;
        private final Set<String> missing = new HashSet<>();

        Reader(StudyIndex index, Path steps) {
            this.index = index;
            this.steps = steps;
        }

        Optional<TrainedModel> trained(StudyIndex.Run run) {
            Optional<StudyFolder.Result> result = result(run.train());
            Map<String, TrainedModel.TextScore> texts = new LinkedHashMap<>();
            Map<String, Double> overlaps = new HashMap<>();
            output(run.overlap())
                    .path("texts")
                    .forEach(text -> overlaps.put(text.path("name").asString(), number(text.path("share"))));
            output(run.perplexity()).path("sets").forEach(set -> {
                String name = set.path("name").asString();
                texts.put(name, text(set, overlaps.getOrDefault(name, Double.NaN)));
            });
            List<TrainedModel.FineTuned> fineTuned = new ArrayList<>();
            for (String step : run.finetune()) {
                JsonNode output = output(step);
                if (!output.isMissingNode()) {
                    fineTuned.add(
                            new TrainedModel.FineTuned(output.path("task").asString(step), options(step), output));
                }
            }
            Map<String, TrainedModel.TaskScore> zeroShot = tasks(run.zeroShot());
            Map<String, TrainedModel.TaskScore> fewShot = tasks(run.fewShot());
            Map<String, TrainedModel.TaskScore> bias = tasks(run.bias());
            return result.map(done -> new TrainedModel(
                    run,
                    index.watts(),
                    done.seconds(),
                    done.joules(),
                    number(done.output().path("loss")),
                    texts,
                    zeroShot,
                    fewShot,
                    bias,
                    fineTuned));
        }

        private Optional<StudyFolder.Result> result(@Nullable String step) {
            if (step == null) {
                return Optional.empty();
            }
            Optional<StudyFolder.Result> result = StudyFolder.result(steps.resolve(step));
            if (result.isEmpty()) {
                missing.add(step);
            }
            return result;
        }

        private JsonNode output(@Nullable String step) {
            return result(step)
                    .map(StudyFolder.Result::output)
                    .orElseGet(() -> Step.object().path("missing"));
        }

        private List<String> options(String step) {
            return StudyFolder.identity(steps.resolve(step))
                    .path("options")
                    .valueStream()
                    .map(JsonNode::asString)
                    .toList();
        }

        private TrainedModel.TextScore text(JsonNode set, double overlap) {
            List<LayerLoad> experts = new ArrayList<>();
            for (JsonNode layer : set.path("expert_load")) {
                double[] load = layer.path("load")
                        .valueStream()
                        .mapToDouble(JsonNode::asDouble)
                        .toArray();
                experts.add(LayerLoad.of(layer.path("layer").asInt(), load));
            }
            return new TrainedModel.TextScore(
                    index.inDomain().contains(set.path("name").asString()),
                    number(set.path("ppl")),
                    number(set.path("bits_per_byte")),
                    overlap,
                    experts);
        }

        private Map<String, TrainedModel.TaskScore> tasks(@Nullable String step) {
            Map<String, TrainedModel.TaskScore> scores = new LinkedHashMap<>();
            for (JsonNode task : output(step).path("tasks")) {
                List<TrainedModel.TaskFigure> figures = new ArrayList<>();
                for (JsonNode figure : task.path("figures")) {
                    figures.add(new TrainedModel.TaskFigure(
                            figure.path("name").asString(),
                            number(figure.path("mean")),
                            number(figure.path("deviation")),
                            number(figure.path("low")),
                            number(figure.path("high"))));
                }
                scores.put(
                        task.path("task").asString(),
                        new TrainedModel.TaskScore(
                                task.path("shots").asInt(),
                                task.path("runs").asInt(),
                                task.path("questions").asInt(),
                                task.path("left_out").asInt(),
                                task.path("cut_prompts").asLong(),
                                number(task.path("chance")),
                                figures));
            }
            return scores;
        }

        private static double number(JsonNode node) {
            return node.isNumber() ? node.doubleValue() : Double.NaN;
        }
    }
}
