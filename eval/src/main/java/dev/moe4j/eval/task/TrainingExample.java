package dev.moe4j.eval.task;

import java.util.List;
import java.util.Set;

/**
 * A question as training sees it. A candidate's score is the sum over its terms of weight times ln P of the term's
 * scored tokens: what {@link TaskEvaluation} compares candidates by.
 *
 * @param place where its record stands, for messages
 * @param candidates each one's terms
 * @param gold indices of the right ones, at least one
 */
public record TrainingExample(String place, List<List<Term>> candidates, Set<Integer> gold) {

    /**
     * A text whose end is scored.
     *
     * @param tokens the whole text
     * @param from index of the first scored token, at least 1
     */
    public record Term(int[] tokens, int from, double weight) {}
}
