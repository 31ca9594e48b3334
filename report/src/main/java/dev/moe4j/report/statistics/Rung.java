package dev.moe4j.report.statistics;

import dev.moe4j.study.steps.StudyIndex;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/**
 * A model at one budget, on one text, over its seeds.
 *
 * @param seeds the runs, at least one
 */
public record Rung(List<Trained> seeds) {

    public Rung {
        seeds = List.copyOf(seeds);
    }

    /**
     * Runs by data, model and budget, in their order. Models of one name that are configured otherwise are others, and a
     * run that several studies have counts once.
     */
    public static List<Rung> of(List<Trained> trained) {
        record Key(String data, String model, String recipe, long tokens) {}
        Map<Key, SequencedMap<Long, Trained>> groups = new LinkedHashMap<>();
        for (Trained each : trained) {
            StudyIndex.Run run = each.run();
            Key key = new Key(run.dataKey(), run.model(), run.recipe(), run.tokens());
            groups.computeIfAbsent(key, _ -> new LinkedHashMap<>()).putIfAbsent(run.seed(), each);
        }
        return groups.values().stream()
                .map(seeds -> new Rung(List.copyOf(seeds.values())))
                .toList();
    }

    public StudyIndex.Run run() {
        return seeds.getFirst().run();
    }

    public boolean isDense() {
        return run().isDense();
    }

    public double mean(ToDoubleFunction<Trained> figure) {
        double sum = 0;
        for (Trained seed : seeds) {
            sum += figure.applyAsDouble(seed);
        }
        return sum / seeds.size();
    }

    /** The members of a group that every seed was measured on. */
    List<String> members(Figure.Group group) {
        return seeds.getFirst().members(group).stream()
                .filter(member -> seeds.stream().allMatch(each -> !Double.isNaN(each.of(group, member))))
                .toList();
    }

    /**
     * The standard error over questions of the mean accuracy, in percent; 0 for perplexities. Seeds answer the same
     * questions, so their errors are averaged, not divided by their number.
     */
    double error(Figure.Group group, List<String> members) {
        double squares = 0;
        for (String member : members) {
            double error = mean(seed -> seed.error(group, member));
            squares += error * error;
        }
        return members.isEmpty() ? 0 : Math.sqrt(squares) / members.size();
    }
}
