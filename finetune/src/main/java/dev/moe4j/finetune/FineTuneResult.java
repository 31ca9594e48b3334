package dev.moe4j.finetune;

import dev.moe4j.eval.task.TaskResult;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint's figures on a task before and after fine-tuning. docs/finetuning.md describes the JSON form.
 *
 * @param checkpoint the checkpoint that was fine-tuned
 * @param task the task's name
 * @param head the part of the model that answers, in lower case
 * @param formulation the prompt templates, with the continuation between ⟦ and ⟧
 * @param train the questions that were trained on
 * @param validation the questions that selected epoch and learning rate
 * @param test the questions that the figures are reported on
 * @param figure name of the task's main figure, a share from 0 to 1
 * @param chance the figure of a random guess; NaN if the task has no candidates to guess from
 * @param zeroShot the checkpoint's figure before fine-tuning
 * @param fineTuned the figure with the chosen learning rate: mean and deviation over seeds, interval over resampled
 *     questions
 * @param learningRate the learning rate with the best mean validation figure over seeds
 * @param seed the seed of the written model: the best validation figure with that learning rate
 * @param search one entry per learning rate, in the order of the settings
 * @param runs all runs, grouped by learning rate
 * @param settings the settings of the search
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
     * The questions that one of the three parts consists of.
     *
     * @param split name of the split
     * @param file the split's file
     * @param questions number of questions
     * @param heldOut whether the questions were held out of the training split
     */
    public record Part(String split, Path file, int questions, boolean heldOut) {}

    /**
     * The results of one learning rate over all seeds.
     *
     * @param learningRate the peak learning rate
     * @param validation mean over seeds of the best epoch's validation figure
     * @param validationDeviation sample standard deviation over seeds; NaN for a single seed
     * @param test mean figure on the test questions; null if every run diverged in its first epoch
     * @param diverged number of runs whose loss became NaN or infinite
     */
    public record Rate(
            double learningRate,
            double validation,
            double validationDeviation,
            @Nullable Double test,
            int diverged) {}

    /**
     * One pass over the training questions.
     *
     * @param loss mean training loss per question
     * @param validation figure on the validation questions after the epoch
     */
    public record Epoch(double loss, double validation) {}

    /**
     * One run of the search.
     *
     * @param learningRate the peak learning rate
     * @param seed the run's seed
     * @param epochs training loss and validation figure of each epoch
     * @param bestEpoch the epoch whose model was kept, from 1; 0 without a model
     * @param validation the kept model's figure on the validation questions; 0 without a model
     * @param test the kept model's figure on the test questions; null without a model
     * @param diverged whether the loss became NaN or infinite
     * @param seconds duration of the run, possibly in an earlier call
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
