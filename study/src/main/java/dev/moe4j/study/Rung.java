package dev.moe4j.study;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/**
 * A model at one budget, on one text, over its seeds.
 *
 * @param seeds the runs, at least one
 */
record Rung(List<Trained> seeds) {

    Rung {
        seeds = List.copyOf(seeds);
    }

    /** Runs by data, model and budget, in their order. */
    static List<Rung> of(List<Trained> trained) {
        record Key(String data, String model, long tokens) {}
        Map<Key, List<Trained>> groups = new LinkedHashMap<>();
        for (Trained each : trained) {
            Key key =
                    new Key(each.run().dataKey(), each.run().model(), each.run().tokens());
            groups.computeIfAbsent(key, _ -> new ArrayList<>()).add(each);
        }
        return groups.values().stream().map(Rung::new).toList();
    }

    StudyIndex.Run run() {
        return seeds.getFirst().run();
    }

    boolean isDense() {
        return run().isDense();
    }

    double mean(ToDoubleFunction<Trained> figure) {
        return seeds.stream().mapToDouble(figure).average().orElseThrow();
    }

    /** The members of a group that every seed was measured on. */
    List<String> members(Figure.Group group) {
        return seeds.getFirst().members(group).stream()
                .filter(member -> seeds.stream().allMatch(each -> !Double.isNaN(each.of(group, member))))
                .toList();
    }
}
