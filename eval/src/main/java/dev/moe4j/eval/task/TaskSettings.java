package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import org.jspecify.annotations.Nullable;

/**
 * How a task is scored.
 *
 * @param split to be scored; null for the task's own
 * @param shots examples before each question, from the examples' split
 * @param runs repetitions with other examples; without examples there is one
 * @param seed of the draws of examples
 * @param limit the most questions, spread evenly over the split and always the same ones
 * @param beginToken whether every text begins with the token that ends a text, as documents in training do
 * @param newlines what a line's end is to the tokenizer
 */
public record TaskSettings(
        @Nullable String split, int shots, int runs, long seed, int limit, boolean beginToken, Newlines newlines) {

    /** What the end of a line becomes. */
    public enum Newlines {
        /** The character, as the tokenizer has it. */
        KEEP,
        /** The token that ends a text: the published models never saw the character. */
        END_OF_TEXT
    }

    /** The whole split, no examples. */
    public static final TaskSettings ZERO_SHOT =
            new TaskSettings(null, 0, 1, 1, Integer.MAX_VALUE, true, Newlines.KEEP);

    public TaskSettings {
        if (shots < 0 || runs < 1 || limit < 1) {
            throw new EvalException("cannot score " + limit + " questions with " + shots + " examples in " + runs
                    + " runs; questions and runs are at least 1, and examples at least 0");
        }
    }

    /** With that many examples, in that many runs. */
    public TaskSettings withShots(int count, int repetitions) {
        return new TaskSettings(split, count, repetitions, seed, limit, beginToken, newlines);
    }

    /** Of another split. */
    public TaskSettings withSplit(String other) {
        return new TaskSettings(other, shots, runs, seed, limit, beginToken, newlines);
    }

    /** With at most that many questions. */
    public TaskSettings withLimit(int questions) {
        return new TaskSettings(split, shots, runs, seed, questions, beginToken, newlines);
    }

    /** Runs that differ: without examples all are the same. */
    int distinctRuns() {
        return shots == 0 ? 1 : runs;
    }
}
