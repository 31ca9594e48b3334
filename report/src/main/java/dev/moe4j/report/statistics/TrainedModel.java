package dev.moe4j.report.statistics;

import dev.moe4j.study.steps.StudyIndex;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A trained model of a study: one run with the results that are available so far. A map is empty if the evaluation has
 * not finished.
 *
 * @param run the run in the study's table of contents
 * @param watts assumed power if the energy was not measured
 * @param seconds training time
 * @param measuredJoules training energy; null if it was not measured
 * @param loss loss of the last training step, in nats per token
 * @param texts perplexities by text
 * @param zeroShot zero-shot scores by task
 * @param fewShot few-shot scores by task
 * @param bias scores of bias tasks
 * @param fineTuned fine-tunings, in the ladder's order
 */
public record TrainedModel(
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
     * Result on an evaluation text.
     *
     * @param inDomain whether the text is from a training domain
     * @param perplexity perplexity per token
     * @param bitsPerByte loss in bits per byte of text
     * @param overlap share of the text that occurs in the training text, from 0 to 1; NaN if not checked
     * @param experts expert load of each MoE layer; empty for a dense model
     */
    public record TextScore(
            boolean inDomain, double perplexity, double bitsPerByte, double overlap, List<LayerLoad> experts) {}

    /**
     * Result on a task.
     *
     * @param shots examples before each question
     * @param runs number of runs, each with different examples
     * @param questions questions that were scored
     * @param leftOut further questions, left out because they do not fit the model's context
     * @param cutPrompts prompts that were truncated at their beginning, over all runs
     * @param chance main figure of a random guess; NaN if there are no candidates to guess from
     * @param figures the task's figures, the main one first; shares from 0 to 1, except for perplexities
     */
    public record TaskScore(
            int shots, int runs, int questions, int leftOut, long cutPrompts, double chance, List<TaskFigure> figures) {
        public TaskFigure main() {
            return figures.getFirst();
        }
    }

    /**
     * A task's figure with its 95 % interval over questions.
     *
     * @param name the figure's name, such as {@code accuracy}
     * @param mean mean over runs
     * @param deviation standard deviation over runs; NaN for one run
     * @param low lower end of the interval
     * @param high upper end of the interval
     */
    public record TaskFigure(String name, double mean, double deviation, double low, double high) {}

    /**
     * A fine-tuning on a task.
     *
     * @param task the task's name
     * @param options options of the {@code finetune} command from the ladder
     * @param output the JSON that the command printed
     */
    public record FineTuned(String task, List<String> options, JsonNode output) {

        /** The task with the options that distinguish this fine-tuning from the others on the same task. */
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

    /** Training FLOPs, router included. */
    public double flops() {
        return run.flopsPerToken() * run.tokens();
    }

    /** Training energy: measured, else training time times the assumed power. */
    public double joules() {
        return measuredJoules != null ? measuredJoules : seconds * watts;
    }

    /** A copy without measured energy, so that {@link #joules} is assumed. */
    public TrainedModel assumingEnergy() {
        return new TrainedModel(run, watts, seconds, null, loss, texts, zeroShot, fewShot, bias, fineTuned);
    }

    /** Names of the group's texts or tasks that were evaluated. */
    public List<String> members(QualityMetric.Group group) {
        if (group == QualityMetric.Group.ZERO_SHOT) {
            return List.copyOf(zeroShot.keySet());
        }
        return texts.entrySet().stream()
                .filter(entry -> entry.getValue().inDomain() == (group == QualityMetric.Group.IN_DOMAIN))
                .map(Map.Entry::getKey)
                .toList();
    }

    /** The perplexity on a text, or the accuracy on a task in percent; NaN if not evaluated. */
    public double value(QualityMetric.Group group, String member) {
        if (group == QualityMetric.Group.ZERO_SHOT) {
            TaskScore score = zeroShot.get(member);
            return score == null ? Double.NaN : 100 * score.main().mean();
        }
        TextScore score = texts.get(member);
        return score == null ? Double.NaN : score.perplexity();
    }

    /** Standard error over questions of an accuracy, in percent; 0 for perplexities. */
    double standardError(QualityMetric.Group group, String member) {
        TaskScore score = group == QualityMetric.Group.ZERO_SHOT ? zeroShot.get(member) : null;
        return score == null ? 0 : 100 * (score.main().high() - score.main().low()) / (2 * 1.96);
    }
}
