package dev.moe4j.finetune;

import dev.moe4j.eval.task.TaskRun;
import java.util.List;

/**
 * Result of one fine-tuning run, or of the zero-shot evaluation before it, as {@code runs.jsonl} stores it.
 *
 * @param epochs the completed epochs, in order
 * @param bestEpoch the epoch whose model was kept, from 1; 0 if the run diverged in its first epoch
 * @param validation the kept model's figure on the validation questions; 0 without a model
 * @param diverged whether the loss or the gradient became NaN or infinite, which ended the run
 * @param test the kept model's scores on the test questions
 * @param seconds duration of the run
 */
record FineTuneRun(
        List<FineTuneResult.Epoch> epochs,
        int bestEpoch,
        double validation,
        boolean diverged,
        TaskRun test,
        double seconds) {

    /** Whether the run completed at least one epoch, so that a model was kept. */
    boolean usable() {
        return bestEpoch > 0;
    }
}
