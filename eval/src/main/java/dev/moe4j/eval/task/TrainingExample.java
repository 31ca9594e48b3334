package dev.moe4j.eval.task;

import java.util.List;
import java.util.Set;

/**
 * A question for fine-tuning. A candidate's score is the sum over its terms of weight · ln P(scored tokens), as in
 * {@link TaskEvaluation}.
 *
 * @param place the location of its record, for messages
 * @param candidates the terms of each candidate
 * @param gold indices of the right candidates, at least one
 */
public record TrainingExample(String place, List<List<Term>> candidates, Set<Integer> gold) {

    /**
     * A token sequence whose end is scored.
     *
     * @param tokens the complete sequence
     * @param from index of the first scored token, at least 1
     * @param weight factor of the log-likelihood in the candidate's score
     */
    public record Term(int[] tokens, int from, double weight) {}
}
