package dev.moe4j.eval.task;

import java.util.List;
import java.util.Set;

/**
 * A question with its candidates.
 *
 * @param place the location of its record, for messages
 * @param candidates at least one, in the record's order
 * @param labels the labels of the candidates
 * @param gold indices of the right candidates, at least one
 * @param category the category for the breakdown of results; empty for none
 * @param group the group that {@code stereoset} averages over; empty for none
 */
public record Example(
        String place,
        List<Candidate> candidates,
        List<String> labels,
        Set<Integer> gold,
        String category,
        String group) {

    /**
     * One possible answer. Prompt and continuation are encoded separately and then concatenated, so a space between
     * them belongs to the continuation.
     *
     * @param prompt the text before the answer
     * @param continuation the text to score
     */
    public record Candidate(String prompt, String continuation) {}

    public Example {
        candidates = List.copyOf(candidates);
        labels = List.copyOf(labels);
        gold = Set.copyOf(gold);
    }

    /** The first right candidate. */
    Candidate answer() {
        return candidates.get(gold.stream().mapToInt(Integer::intValue).min().orElseThrow());
    }
}
