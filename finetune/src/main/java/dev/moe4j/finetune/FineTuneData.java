package dev.moe4j.finetune;

import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The questions that a model is fine-tuned and measured on; no two of the three overlap.
 *
 * @param train to learn from
 * @param validation to stop early and to choose the learning rate by
 * @param test to report
 * @param heldOut whether validation is a part of the training split that was held out of it
 */
public record FineTuneData(Questions train, Questions validation, Questions test, boolean heldOut) {

    /** Of the training split, where there is no split of its own to validate on. */
    static final double HELD_OUT = 0.1;

    /** Which questions are held out is part of the data: the same for every run. */
    private static final long HELD_OUT_SEED = 1;

    private static final String VALIDATION = "validation";

    /**
     * Which splits are used, and how much of them.
     *
     * @param train null for the task's split of examples
     * @param validation null for {@code validation} where that is not the scored one and its file is there, else a tenth
     *     of the training split
     * @param trainLimit the most examples to learn from, spread evenly
     */
    public record Splits(@Nullable String train, @Nullable String validation, int trainLimit) {}

    /**
     * Reads a task's files.
     *
     * @param scored the split to report, how much of it, and how texts begin
     * @throws FineTuneException if the task has no split to train on, or one that is also measured on
     */
    public static FineTuneData read(Task task, Path folder, Splits splits, TaskSettings scored) {
        String train = Objects.requireNonNullElse(splits.train(), task.exampleSplit());
        String test = Objects.requireNonNullElse(scored.split(), task.test());
        if (train.isEmpty()) {
            throw new FineTuneException("the task " + task.name()
                    + " has no split to train on: name it with `examples:` in "
                    + "its description, or with --train-split; its splits are " + String.join(", ", task.splits()));
        }
        String validation = splits.validation();
        if (validation == null && !test.equals(VALIDATION) && !train.equals(VALIDATION)) {
            validation = Questions.isThere(task, folder, VALIDATION) ? VALIDATION : null;
        }
        if (train.equals(test) || train.equals(validation) || test.equals(validation)) {
            throw new FineTuneException(task.name() + ": training on " + train + ", validating on "
                    + Objects.requireNonNullElse(validation, "a part of it") + " and scoring " + test
                    + " uses one split twice; name others with --train-split, --validation-split and --split");
        }
        Questions all = Questions.read(task, folder, scored.withSplit(train).withLimit(splits.trainLimit()));
        Questions scoredQuestions = Questions.read(task, folder, scored);
        if (validation == null) {
            List<Questions> parts = all.holdOut(HELD_OUT, HELD_OUT_SEED);
            return new FineTuneData(parts.getFirst(), parts.getLast(), scoredQuestions, true);
        }
        return new FineTuneData(
                all, Questions.read(task, folder, scored.withSplit(validation)), scoredQuestions, false);
    }

    /** Everything about the data that a run depends on, as a text. */
    String identity() {
        return String.join("\n", train.identity(0), validation.identity(0), test.identity(0), "held out " + heldOut);
    }

    Task task() {
        return test.task();
    }
}
