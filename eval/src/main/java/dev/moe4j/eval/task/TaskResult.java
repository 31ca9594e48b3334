package dev.moe4j.eval.task;

import java.util.List;

/**
 * How well a model does a task, and how that was measured. Figures are shares from 0 to 1, but for perplexities.
 *
 * @param task its name
 * @param split the split scored
 * @param file where its records are
 * @param questions scored
 * @param leftOut questions that are not, since the scored part alone does not fit the model's context
 * @param shots examples before each question
 * @param examples where they are drawn from; empty without
 * @param runs with other examples each
 * @param seed of their draws
 * @param formulation the templates, with the continuation between ⟦ and ⟧
 * @param scored which part of a candidate is scored
 * @param normalisation what makes candidates comparable, or an answer count
 * @param begin what every text begins with
 * @param newlines what a line's end is
 * @param figures the main one first
 * @param chance the main figure of guessing; NaN where guessing is no answer
 * @param strata within which questions were drawn for the intervals; empty for none
 * @param categories the figures of each category; empty where the task has none
 * @param droppedExamples over all questions of all runs, those that did not fit the context
 * @param cutPrompts questions whose prompt did not fit the context even without examples and lost its beginning
 * @param shown the first questions as the model read them, if asked for
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
     * A figure.
     *
     * @param mean over runs
     * @param deviation over runs, of the sample; NaN for a single run
     * @param low lower bound of a 95 % interval from resampled questions; Wilson's bound for a share if all resamples
     *     agree, NaN for a perplexity then
     * @param high upper bound
     */
    public record Figure(String name, double mean, double deviation, double low, double high) {}

    /** The figures of the questions of one category. */
    public record Category(String name, int questions, List<Figure> figures) {}

    /** A question as the model read it. */
    public record Shown(String place, List<ShownCandidate> candidates) {}

    /**
     * A candidate.
     *
     * @param text exactly what the model read, the scored part between ⟦ and ⟧, ends of text as {@code ⟨end⟩}
     * @param tokens scored
     * @param score what candidates are compared by
     * @param right whether it is a right one
     */
    public record ShownCandidate(String text, int tokens, double score, boolean right) {}

    /** The figure that stands for the task. */
    public Figure main() {
        return figures.getFirst();
    }
}
