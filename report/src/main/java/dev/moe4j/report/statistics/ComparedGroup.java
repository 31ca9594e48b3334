package dev.moe4j.report.statistics;

import dev.moe4j.study.steps.StudyIndex;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * All that was trained on one text, compared.
 *
 * @param rungs models at their budgets, in the study's order
 * @param means a comparison for each group of figures and each cost, the most important first
 * @param members the same for single texts and tasks
 */
public record ComparedGroup(List<Rung> rungs, List<Comparison> means, List<Comparison> members) {

    /** One for each training text. */
    public static List<ComparedGroup> of(List<Trained> trained) {
        Map<String, List<Rung>> byData = new LinkedHashMap<>();
        for (Rung rung : Rung.of(trained)) {
            byData.computeIfAbsent(rung.run().dataKey(), _ -> new ArrayList<>()).add(rung);
        }
        return byData.values().stream().map(ComparedGroup::compare).toList();
    }

    private static ComparedGroup compare(List<Rung> rungs) {
        List<Comparison> means = new ArrayList<>();
        List<Comparison> members = new ArrayList<>();
        for (Figure.Group group : Figure.Group.values()) {
            List<String> names = rungs.stream()
                    .flatMap(rung -> rung.members(group).stream())
                    .distinct()
                    .toList();
            if (names.isEmpty()) {
                continue;
            }
            for (Spending spending : Spending.values()) {
                means.add(Comparison.of(Figure.mean(group), spending, rungs));
            }
            for (String name : names) {
                Stream.of(Spending.FLOPS, Spending.SECONDS)
                        .map(spending -> Comparison.of(new Figure(group, name), spending, rungs))
                        .forEach(members::add);
            }
        }
        return new ComparedGroup(rungs, means, members);
    }

    public StudyIndex.Run run() {
        return rungs.getFirst().run();
    }

    public Comparison mean(Figure.Group group, Spending spending) {
        return means.stream()
                .filter(each -> each.figure().group() == group && each.spending() == spending)
                .findFirst()
                .orElseGet(() -> Comparison.of(Figure.mean(group), spending, List.of()));
    }

    /** Each model at its largest budget. */
    public List<Rung> largest() {
        return rungs.stream()
                .filter(rung -> rungs.stream()
                        .noneMatch(other -> other.run()
                                        .model()
                                        .equals(rung.run().model())
                                && other.run().recipe().equals(rung.run().recipe())
                                && other.run().tokens() > rung.run().tokens()))
                .toList();
    }

    public int fewestSeeds() {
        return rungs.stream().mapToInt(rung -> rung.seeds().size()).min().orElse(0);
    }

    public int mostSeeds() {
        return rungs.stream().mapToInt(rung -> rung.seeds().size()).max().orElse(0);
    }
}
