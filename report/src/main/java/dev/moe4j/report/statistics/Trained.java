package dev.moe4j.report.statistics;

import dev.moe4j.study.steps.StudyIndex;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * One trained model of a study with what has been measured of it so far.
 *
 * @param watts that it is taken to have drawn where its energy was not measured
 * @param seconds of training
 * @param measuredJoules of training; null where the machine did not measure
 * @param loss of training's last step, nats per token
 * @param texts by name; empty where not measured yet, and so are the others
 * @param fineTuned in the ladder's order
 */
public record Trained(
        StudyIndex.Run run,
        double watts,
        double seconds,
        @Nullable Double measuredJoules,
        double loss,
        Map<String, TextScore> texts,
        Map<String, TaskScore> zeroShot,
        Map<String, TaskScore> fewShot,
        Map<String, TaskScore> bias,
        List<FineTuned> fineTuned) {

    /**
     * On a text.
     *
     * @param overlap the share of it that stands in the training text, from 0 to 1; NaN if that was not checked
     * @param experts each MoE layer's load; empty for a dense model
     */
    public record TextScore(
            boolean inDomain, double perplexity, double bitsPerByte, double overlap, List<LayerLoad> experts) {}

    /**
     * On a task.
     *
     * @param leftOut questions that are not among these, since they do not fit the model's context
     * @param cutPrompts over all runs, prompts that lost their beginning
     * @param chance what guessing gives; NaN where guessing is no answer
     * @param figures the main one first; shares, but for perplexities
     */
    public record TaskScore(
            int shots, int runs, int questions, int leftOut, long cutPrompts, double chance, List<Named> figures) {
        public Named main() {
            return figures.getFirst();
        }
    }

    /**
     * A figure with its 95 % interval over questions.
     *
     * @param deviation over runs; NaN for one run
     */
    public record Named(String name, double mean, double deviation, double low, double high) {}

    /**
     * Fine-tuned on a task.
     *
     * @param options that the ladder gives the command
     * @param output what the command printed
     */
    public record FineTuned(String task, List<String> options, JsonNode output) {

        /** The task, with those options that not all of these fine-tunings on it have. */
        public String name(List<FineTuned> all) {
            return task
                    + options.stream()
                            .filter(option -> !all.stream()
                                    .filter(other -> other.task.equals(task))
                                    .allMatch(other -> other.options.contains(option)))
                            .map(" "::concat)
                            .collect(Collectors.joining());
        }
    }

    public double flops() {
        return run.flopsPerToken() * run.tokens();
    }

    public double joules() {
        return measuredJoules != null ? measuredJoules : seconds * watts;
    }

    /** The same without the energy that was measured. */
    public Trained assumingEnergy() {
        return new Trained(run, watts, seconds, null, loss, texts, zeroShot, fewShot, bias, fineTuned);
    }

    /** The members of a group that were measured. */
    public List<String> members(Figure.Group group) {
        if (group == Figure.Group.ZERO_SHOT) {
            return List.copyOf(zeroShot.keySet());
        }
        return texts.entrySet().stream()
                .filter(entry -> entry.getValue().inDomain() == (group == Figure.Group.IN_DOMAIN))
                .map(Map.Entry::getKey)
                .toList();
    }

    /** A perplexity, or an accuracy in percent; NaN where it was not measured. */
    public double of(Figure.Group group, String member) {
        if (group == Figure.Group.ZERO_SHOT) {
            TaskScore score = zeroShot.get(member);
            return score == null ? Double.NaN : 100 * score.main().mean();
        }
        TextScore score = texts.get(member);
        return score == null ? Double.NaN : score.perplexity();
    }

    /** The standard error over questions of an accuracy in percent; 0 for perplexities. */
    double error(Figure.Group group, String member) {
        TaskScore score = group == Figure.Group.ZERO_SHOT ? zeroShot.get(member) : null;
        return score == null ? 0 : 100 * (score.main().high() - score.main().low()) / (2 * 1.96);
    }
}
