package dev.moe4j.finetune;

import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The questions of one fine-tuning: three disjoint sets.
 *
 * @param train questions to train on
 * @param validation questions for early stopping and for the choice of the learning rate
 * @param test questions to report figures on
 * @param heldOut whether the validation questions were held out of the training split
 */
public record FineTuneData(Questions train, Questions validation, Questions test, boolean heldOut) {

    /** Share of the training split that is held out for validation for tasks without a validation split. */
    static final double HELD_OUT = 0.1;

    /** Fixed, so that all runs hold out the same questions. */
    private static final long HELD_OUT_SEED = 1;

    private static final String VALIDATION = "validation";

    /**
     * The splits to use.
     *
     * @param train the training split; null for the task's split of few-shot examples
     * @param validation the validation split. If null, the split {@code validation} is used if its file exists and it is
     *     not used otherwise; else a tenth of the training split is held out
     * @param trainLimit most examples to train on, spread evenly over the split
     */
    public record Splits(@Nullable String train, @Nullable String validation, int trainLimit) {}

    /**
     * Reads the task's files.
     *
     * @param task the task
     * @param folder the folder with the tasks' files
     * @param splits the splits to train and validate on
     * @param scored the test split, its limit, and how sequences begin
     * @throws FineTuneException if the task lacks a training split, or if one split would be used twice
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

    /** Checksums of all questions. Part of the key of cached results. */
    String identity() {
        return String.join("\n", train.identity(0), validation.identity(0), test.identity(0), "held out " + heldOut);
    }

    Task task() {
        return test.task();
    }
}
