package dev.moe4j.eval.task;

import java.util.List;

/**
 * The result of a task and how it was measured. Values are proportions from 0 to 1, except for perplexities.
 *
 * @param task name of the task
 * @param split the scored split
 * @param file the file with its records
 * @param questions number of scored questions
 * @param leftOut questions that were not scored, because their scored part alone does not fit the model's context
 * @param shots few-shot examples before each question
 * @param examples the source of the examples; empty without examples
 * @param runs number of runs, each with other examples
 * @param seed seed for drawing the examples
 * @param formulation the templates, with the continuation between ⟦ and ⟧
 * @param scored the part of a candidate that is scored
 * @param normalisation how candidates are made comparable, or how an answer counts
 * @param begin the token that every text begins with
 * @param newlines how line ends are tokenized
 * @param figures the metrics, the main one first
 * @param chance the main metric of random guessing; NaN if guessing is not possible
 * @param strata the strata that questions were resampled within for the intervals; empty for none
 * @param categories the metrics of each category; empty for a task without categories
 * @param droppedExamples few-shot examples that did not fit the context, summed over all questions and runs
 * @param cutPrompts questions whose prompt was cut from the left, because it did not fit the context even without
 *     examples
 * @param shown the first questions as the model read them, if requested
 */
public record TaskResult(
        String task,
        String split,
        String file,
        int questions,
        int leftOut,
        int shots,
        String examples,
        int runs,
        long seed,
        String formulation,
        String scored,
        String normalisation,
        String begin,
        String newlines,
        List<Figure> figures,
        double chance,
        String strata,
        List<Category> categories,
        long droppedExamples,
        long cutPrompts,
        List<Shown> shown) {

    /**
     * A metric.
     *
     * @param mean mean over runs
     * @param deviation sample standard deviation over runs; NaN for a single run
     * @param low lower bound of the 95 % bootstrap interval over questions. If all resamples agree: Wilson's bound for
     *     a proportion, NaN for a perplexity
     * @param high upper bound
     */
    public record Figure(String name, double mean, double deviation, double low, double high) {}

    /** The metrics of one category's questions. */
    public record Category(String name, int questions, List<Figure> figures) {}

    /** A question as the model read it. */
    public record Shown(String place, List<ShownCandidate> candidates) {}

    /**
     * A candidate as the model read it.
     *
     * @param text the exact text, with the scored part between ⟦ and ⟧ and end-of-text tokens as {@code ⟨end⟩}
     * @param tokens number of scored tokens
     * @param score the score by which candidates are compared
     * @param right whether the candidate is a right one
     */
    public record ShownCandidate(String text, int tokens, double score, boolean right) {}

    /** The task's main metric. */
    public Figure main() {
        return figures.getFirst();
    }
}
