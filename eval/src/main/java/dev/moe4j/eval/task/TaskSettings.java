package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import org.jspecify.annotations.Nullable;

/**
 * The settings of a task's evaluation.
 *
 * @param split the split to score; null for the task's default
 * @param shots number of few-shot examples before each question
 * @param runs repetitions with different examples; without examples there is one run
 * @param seed seed for drawing the examples
 * @param limit the maximum number of questions, spread evenly over the split and always the same
 * @param beginToken whether every text begins with the end-of-text token, like documents in training
 * @param newlines how line ends are tokenized
 */
public record TaskSettings(
        @Nullable String split, int shots, int runs, long seed, int limit, boolean beginToken, Newlines newlines) {

    /** How line ends are tokenized. */
    public enum Newlines {
        /** As the newline character. */
        KEEP,
        /** As the end-of-text token: the published models never saw the newline character. */
        END_OF_TEXT
    }

    /** The complete split without examples. */
    public static final TaskSettings ZERO_SHOT =
            new TaskSettings(null, 0, 1, 1, Integer.MAX_VALUE, true, Newlines.KEEP);

    public TaskSettings {
        if (shots < 0 || runs < 1 || limit < 1) {
            throw new EvalException("cannot score " + limit + " questions with " + shots + " examples in " + runs
                    + " runs; questions and runs are at least 1, and examples at least 0");
        }
    }

    /** Returns a copy with another number of examples and runs. */
    public TaskSettings withShots(int count, int repetitions) {
        return new TaskSettings(split, count, repetitions, seed, limit, beginToken, newlines);
    }

    /** Returns a copy for another split. */
    public TaskSettings withSplit(String other) {
        return new TaskSettings(other, shots, runs, seed, limit, beginToken, newlines);
    }

    /** Returns a copy with a limit on the number of questions. */
    public TaskSettings withLimit(int questions) {
        return new TaskSettings(split, shots, runs, seed, questions, beginToken, newlines);
    }

    /** The number of different runs: without examples all runs are the same. */
    int distinctRuns() {
        return shots == 0 ? 1 : runs;
    }
}
