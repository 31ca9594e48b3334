package dev.moe4j.finetune;

import dev.moe4j.eval.task.TrainingExample;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * A question as a model with a head computes it: texts to read, and what of their hidden states makes up the
 * candidates' scores.
 *
 * @param texts what the model reads, each a sequence
 * @param marks in any order
 * @param candidates how many there are
 * @param gold indices of the right ones
 */
record Sheet(List<int[]> texts, List<Mark> marks, int candidates, Set<Integer> gold) {

    /**
     * What one hidden state adds to a candidate's score: the weight times the head's value at the target.
     *
     * @param text whose hidden state
     * @param place in the text, from 0
     * @param target the output of the head: a token or a class
     * @param candidate whose score
     */
    record Mark(int text, int place, int target, int candidate, double weight) {}

    /** For the language model's own head, which predicts each scored token from the one before it. */
    static Sheet choice(TrainingExample exercise) {
        List<int[]> texts = new ArrayList<>();
        List<Mark> marks = new ArrayList<>();
        for (int candidate = 0; candidate < exercise.candidates().size(); candidate++) {
            for (TrainingExample.Term term : exercise.candidates().get(candidate)) {
                predict(term, candidate, term.weight(), texts, marks);
            }
        }
        return new Sheet(texts, marks, exercise.candidates().size(), exercise.gold());
    }

    /** As {@link #choice}, of the first right candidate alone, whose score is the mean ln p of its tokens. */
    static Sheet answer(TrainingExample exercise) {
        List<int[]> texts = new ArrayList<>();
        List<Mark> marks = new ArrayList<>();
        int right = exercise.gold().stream().mapToInt(Integer::intValue).min().orElseThrow();
        TrainingExample.Term term = exercise.candidates().get(right).getFirst();
        predict(term, 0, 1.0 / (term.tokens().length - term.from()), texts, marks);
        return new Sheet(texts, marks, 1, Set.of(0));
    }

    private static void predict(
            TrainingExample.Term term, int candidate, double weight, List<int[]> texts, List<Mark> marks) {
        int[] tokens = term.tokens();
        for (int t = term.from(); t < tokens.length; t++) {
            marks.add(new Mark(texts.size(), t - 1, tokens[t], candidate, weight));
        }
        texts.add(Arrays.copyOf(tokens, tokens.length - 1));
    }

    /** For a linear head with an output for each class, which sees what stands before the candidates' differences. */
    static Sheet classes(TrainingExample exercise) {
        TrainingExample.Term first = exercise.candidates().getFirst().getFirst();
        List<Mark> marks = new ArrayList<>();
        for (int candidate = 0; candidate < exercise.candidates().size(); candidate++) {
            marks.add(new Mark(0, first.from() - 1, candidate, candidate, 1));
        }
        return new Sheet(
                List.of(Arrays.copyOf(first.tokens(), first.from())),
                marks,
                exercise.candidates().size(),
                exercise.gold());
    }

    /** For a linear head with one output, which sees each candidate's text to its end. */
    static Sheet texts(TrainingExample exercise, int context) {
        List<int[]> texts = new ArrayList<>();
        List<Mark> marks = new ArrayList<>();
        for (int candidate = 0; candidate < exercise.candidates().size(); candidate++) {
            int[] tokens = exercise.candidates().get(candidate).getFirst().tokens();
            // A text may be one token longer than the context, for its last one is predicted elsewhere.
            int[] read = tokens.length <= context ? tokens : Arrays.copyOfRange(tokens, 1, tokens.length);
            marks.add(new Mark(candidate, read.length - 1, 0, candidate, 1));
            texts.add(read);
        }
        return new Sheet(texts, marks, texts.size(), exercise.gold());
    }

    int longest() {
        return texts.stream().mapToInt(text -> text.length).max().orElse(0);
    }
}
