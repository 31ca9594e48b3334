package dev.moe4j.finetune;

import dev.moe4j.eval.task.TaskRun;
import java.util.List;

/**
 * What came of one fine-tuning.
 *
 * @param epochs all that were made, in order
 * @param bestEpoch whose model was kept, from 1 on; 0 where the run diverged before the end of an epoch
 * @param validation the kept model's figure on the validation questions; 0 where there is none
 * @param diverged whether the loss or its gradient stopped being a number, which ended the run
 * @param test what the kept model made of the scored questions
 * @param seconds that it took
 */
record FineTuneRun(
        List<FineTuneResult.Epoch> epochs,
        int bestEpoch,
        double validation,
        boolean diverged,
        TaskRun test,
        double seconds) {

    /** Whether there is a model to speak of. */
    boolean usable() {
        return bestEpoch > 0;
    }
}
