package dev.moe4j.finetune;

import dev.moe4j.eval.task.TaskResult;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How well a checkpoint does a task after it was fine-tuned on it, beside what it did before. docs/finetuning.md describes
 * it as JSON.
 *
 * @param checkpoint that was fine-tuned
 * @param task its name
 * @param head what answers
 * @param formulation the templates, with the continuation between ⟦ and ⟧
 * @param train the questions that were learnt from
 * @param validation those by which epoch and rate were chosen
 * @param test those reported
 * @param figure the name of the task's main figure, a share from 0 to 1
 * @param chance that figure for a model that guesses; NaN where guessing is no answer
 * @param zeroShot the checkpoint's own, by the task's prompts
 * @param fineTuned with the chosen rate: the mean over seeds, their deviation, and an interval from resampled questions
 * @param learningRate the chosen one: the best on the validation questions in the mean over seeds
 * @param seed whose model was written: the best on the validation questions with that rate
 * @param search what each rate gave, in their order
 * @param runs all of them, rate by rate
 * @param model the written model's folder
 */
public record FineTuneResult(
        Path checkpoint,
        String task,
        String head,
        String formulation,
        Part train,
        Part validation,
        Part test,
        String figure,
        double chance,
        TaskResult.Figure zeroShot,
        TaskResult.Figure fineTuned,
        double learningRate,
        long seed,
        List<Rate> search,
        List<Run> runs,
        FineTuneSettings settings,
        Path model) {

    /**
     * Questions of one split.
     *
     * @param heldOut whether these are a part that was held out of it
     */
    public record Part(String split, Path file, int questions, boolean heldOut) {}

    /**
     * What one learning rate gave, over seeds.
     *
     * @param validation the mean of the best epochs' figures
     * @param validationDeviation of the sample; NaN for a single seed
     * @param test the mean figure on the scored questions; null where no run of this rate was usable
     * @param diverged runs that ended because the loss was no number
     */
    public record Rate(
            double learningRate,
            double validation,
            double validationDeviation,
            @Nullable Double test,
            int diverged) {}

    /**
     * A pass over the training questions.
     *
     * @param loss the mean over its questions
     * @param validation the figure on the validation questions after it
     */
    public record Epoch(double loss, double validation) {}

    /**
     * One run.
     *
     * @param epochs training loss and validation figure of each
     * @param bestEpoch whose model was kept, from 1 on; 0 for none
     * @param test its figure on the scored questions; null for none
     * @param seconds that it took, in this call or in an earlier one
     */
    public record Run(
            double learningRate,
            long seed,
            List<Epoch> epochs,
            int bestEpoch,
            double validation,
            @Nullable Double test,
            boolean diverged,
            double seconds) {}
}
