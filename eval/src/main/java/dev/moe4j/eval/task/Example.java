package dev.moe4j.eval.task;

import java.util.List;
import java.util.Set;

/**
 * A question with its candidates.
 *
 * @param place where its record stands, for messages
 * @param candidates at least one, in the record's order
 * @param labels the candidates' own labels
 * @param gold indices of the right ones, at least one
 * @param category what results are broken down by; empty for none
 * @param group what {@code stereoset} averages over; empty for none
 */
public record Example(
        String place,
        List<Candidate> candidates,
        List<String> labels,
        Set<Integer> gold,
        String category,
        String group) {

    /**
     * One possible answer. The texts are encoded apart and follow each other without anything between: a space between
     * them belongs to the continuation.
     *
     * @param prompt the text before it
     * @param continuation the text to be scored
     */
    public record Candidate(String prompt, String continuation) {}

    public Example {
        candidates = List.copyOf(candidates);
        labels = List.copyOf(labels);
        gold = Set.copyOf(gold);
    }

    /** A right candidate, the first of several. */
    Candidate answer() {
        return candidates.get(gold.stream().mapToInt(Integer::intValue).min().orElseThrow());
    }
}
