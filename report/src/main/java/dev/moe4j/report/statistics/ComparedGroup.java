package dev.moe4j.report.statistics;

import dev.moe4j.study.steps.StudyIndex;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The models that were trained on one text, with their comparisons.
 *
 * @param models models at their budgets, in the study's order
 * @param means one comparison per metric group and cost, by the group's mean; the most important comes first
 * @param members comparisons by single texts and tasks
 */
public record ComparedGroup(List<ModelAtBudget> models, List<FamilySpeedup> means, List<FamilySpeedup> members) {

    /** Groups trained models by training text and compares each group. */
    public static List<ComparedGroup> of(List<TrainedModel> trained) {
        Map<String, List<ModelAtBudget>> byData = new LinkedHashMap<>();
        for (ModelAtBudget model : ModelAtBudget.of(trained)) {
            byData.computeIfAbsent(model.run().dataKey(), _ -> new ArrayList<>())
                    .add(model);
        }
        return byData.values().stream().map(ComparedGroup::compare).toList();
    }

    private static ComparedGroup compare(List<ModelAtBudget> models) {
        List<FamilySpeedup> means = new ArrayList<>();
        List<FamilySpeedup> members = new ArrayList<>();
        for (QualityMetric.Group group : QualityMetric.Group.values()) {
            List<String> names = models.stream()
                    .flatMap(model -> model.members(group).stream())
                    .distinct()
                    .toList();
            if (names.isEmpty()) {
                continue;
            }
            for (CostMeasure cost : CostMeasure.values()) {
                means.add(FamilySpeedup.of(QualityMetric.mean(group), cost, models));
            }
            for (String name : names) {
                Stream.of(CostMeasure.FLOPS, CostMeasure.SECONDS)
                        .map(cost -> FamilySpeedup.of(new QualityMetric(group, name), cost, models))
                        .forEach(members::add);
            }
        }
        return new ComparedGroup(models, means, members);
    }

    /** The first run, which has the training text and tokenizer of all. */
    public StudyIndex.Run run() {
        return models.getFirst().run();
    }

    /** The comparison by a group's mean. A comparison without a factor if the group was not evaluated. */
    public FamilySpeedup mean(QualityMetric.Group group, CostMeasure cost) {
        return means.stream()
                .filter(each -> each.metric().group() == group && each.cost() == cost)
                .findFirst()
                .orElseGet(() -> FamilySpeedup.of(QualityMetric.mean(group), cost, List.of()));
    }

    /** Each model with its largest budget. */
    public List<ModelAtBudget> largest() {
        return models.stream()
                .filter(model -> models.stream()
                        .noneMatch(other -> other.run()
                                        .model()
                                        .equals(model.run().model())
                                && other.run().recipe().equals(model.run().recipe())
                                && other.run().tokens() > model.run().tokens()))
                .toList();
    }

    public int fewestSeeds() {
        return models.stream().mapToInt(model -> model.seeds().size()).min().orElse(0);
    }

    public int mostSeeds() {
        return models.stream().mapToInt(model -> model.seeds().size()).max().orElse(0);
    }
}
