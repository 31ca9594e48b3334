package dev.moe4j.report.statistics;

import dev.moe4j.study.steps.StudyIndex;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/**
 * One model with one budget and one training text: its runs with different seeds.
 *
 * @param seeds one trained model per seed, at least one
 */
public record ModelAtBudget(List<TrainedModel> seeds) {

    public ModelAtBudget {
        seeds = List.copyOf(seeds);
    }

    /**
     * Groups runs by training text, model, configuration and budget, in order of first occurrence. A seed that several
     * studies contain counts once.
     */
    public static List<ModelAtBudget> of(List<TrainedModel> trained) {
        record Key(String data, String model, String recipe, long tokens) {}
        Map<Key, SequencedMap<Long, TrainedModel>> groups = new LinkedHashMap<>();
        for (TrainedModel each : trained) {
            StudyIndex.Run run = each.run();
            Key key = new Key(run.dataKey(), run.model(), run.recipe(), run.tokens());
            groups.computeIfAbsent(key, _ -> new LinkedHashMap<>()).putIfAbsent(run.seed(), each);
        }
        return groups.values().stream()
                .map(seeds -> new ModelAtBudget(List.copyOf(seeds.values())))
                .toList();
    }

    /** The first seed's run. */
    public StudyIndex.Run run() {
        return seeds.getFirst().run();
    }

    public boolean isDense() {
        return run().isDense();
    }

    /** The mean of a value over seeds. */
    public double mean(ToDoubleFunction<TrainedModel> value) {
        double sum = 0;
        for (TrainedModel seed : seeds) {
            sum += value.applyAsDouble(seed);
        }
        return sum / seeds.size();
    }

    /** Names of the group's texts or tasks that every seed was evaluated on. */
    List<String> members(QualityMetric.Group group) {
        return seeds.getFirst().members(group).stream()
                .filter(member -> seeds.stream().allMatch(each -> !Double.isNaN(each.value(group, member))))
                .toList();
    }

    /**
     * Standard error over questions of the mean accuracy, in percent; 0 for perplexities. All seeds answer the same
     * questions, so the standard error is averaged over seeds and does not shrink with their number.
     */
    double standardError(QualityMetric.Group group, List<String> members) {
        double squares = 0;
        for (String member : members) {
            double error = mean(seed -> seed.standardError(group, member));
            squares += error * error;
        }
        return members.isEmpty() ? 0 : Math.sqrt(squares) / members.size();
    }
}
