package dev.moe4j.finetune;

import dev.moe4j.eval.task.TrainingExample;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;

/**
 * A question in the form that a head scores: the sequences that the model reads, and the hidden states that make up each
 * candidate's score.
 *
 * @param sequences token ids of each sequence that the model reads
 * @param terms the terms of all candidates' scores, in any order
 * @param candidates number of candidates
 * @param gold indices of the correct candidates
 */
record ScoringInput(List<int[]> sequences, List<ScoreTerm> terms, int candidates, Set<Integer> gold) {

    /**
     * One term of a candidate's score: {@code weight} times the head's output {@code target} at one hidden state.
     *
     * @param sequence index of the sequence
     * @param position position of the hidden state in the sequence, from 0
     * @param target index of the head's output: a token id or a class
     * @param candidate index of the candidate whose score this term belongs to
     * @param weight factor of the output
     */
    record ScoreTerm(int sequence, int position, int target, int candidate, double weight) {}

    /** For the language model's output layer, which predicts each scored token from the token before it. */
    static ScoringInput choice(TrainingExample example) {
        List<int[]> sequences = new ArrayList<>();
        List<ScoreTerm> terms = new ArrayList<>();
        for (int candidate = 0; candidate < example.candidates().size(); candidate++) {
            for (TrainingExample.Term term : example.candidates().get(candidate)) {
                predict(term, candidate, term.weight(), sequences, terms);
            }
        }
        return new ScoringInput(sequences, terms, example.candidates().size(), example.gold());
    }

    /** Only the first correct candidate. Its score is the mean ln p of its tokens. */
    static ScoringInput answer(TrainingExample example) {
        List<int[]> sequences = new ArrayList<>();
        List<ScoreTerm> terms = new ArrayList<>();
        int right = example.gold().stream().mapToInt(Integer::intValue).min().orElseThrow();
        TrainingExample.Term term = example.candidates().get(right).getFirst();
        predict(term, 0, 1.0 / (term.tokens().length - term.from()), sequences, terms);
        return new ScoringInput(sequences, terms, 1, Set.of(0));
    }

    private static void predict(
            TrainingExample.Term term, int candidate, double weight, List<int[]> sequences, List<ScoreTerm> terms) {
        int[] tokens = term.tokens();
        for (int t = term.from(); t < tokens.length; t++) {
            terms.add(new ScoreTerm(sequences.size(), t - 1, tokens[t], candidate, weight));
        }
        sequences.add(Arrays.copyOf(tokens, tokens.length - 1));
    }

    /** For a linear head with one output per class. The head reads the prefix that all candidates share. */
    static ScoringInput classes(TrainingExample example) {
        TrainingExample.Term first = example.candidates().getFirst().getFirst();
        List<ScoreTerm> terms = new ArrayList<>();
        for (int candidate = 0; candidate < example.candidates().size(); candidate++) {
            terms.add(new ScoreTerm(0, first.from() - 1, candidate, candidate, 1));
        }
        return new ScoringInput(
                List.of(Arrays.copyOf(first.tokens(), first.from())),
                terms,
                example.candidates().size(),
                example.gold());
    }

    /** For a linear head with one output. The head reads the last hidden state of each candidate's full sequence. */
    static ScoringInput candidates(TrainingExample example, int context) {
        List<int[]> sequences = new ArrayList<>();
        List<ScoreTerm> terms = new ArrayList<>();
        for (int candidate = 0; candidate < example.candidates().size(); candidate++) {
            int[] tokens = example.candidates().get(candidate).getFirst().tokens();
            // A candidate may exceed the context by one token: language-model scoring never reads its last token.
            int[] read = tokens.length <= context ? tokens : Arrays.copyOfRange(tokens, 1, tokens.length);
            terms.add(new ScoreTerm(candidate, read.length - 1, 0, candidate, 1));
            sequences.add(read);
        }
        return new ScoringInput(sequences, terms, sequences.size(), example.gold());
    }

    int longest() {
        return sequences.stream().mapToInt(sequence -> sequence.length).max().orElse(0);
    }
}
