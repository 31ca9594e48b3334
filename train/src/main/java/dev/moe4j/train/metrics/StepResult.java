package dev.moe4j.train.metrics;

import dev.moe4j.model.routing.LayerRouting;
import java.util.List;

/**
 * One step's figures.
 *
 * @param step its number, from 1 on
 * @param updates steps so far that changed the parameters: all but those that were skipped
 * @param loss nats per token, without the balance losses
 * @param balance the mean balance loss over layers, without its weight; 0 for dense models
 * @param learningRate of this step
 * @param gradientNorm over all parameters, before clipping; NaN or infinite where gradients overflowed in fp16
 * @param lossScale that this step's loss was multiplied by; 1 where the precision is not fp16
 * @param tokens predicted in this step
 * @param routing each MoE layer's report on the last micro-batch
 * @param optimizerNanoseconds spent on the norm and the optimizer; on a GPU only a trainer that is {@linkplain
 *     Trainer#time timed} waits for the end of the update
 */
public record StepResult(
        long step,
        long updates,
        double loss,
        double balance,
        double learningRate,
        double gradientNorm,
        double lossScale,
        long tokens,
        List<LayerRouting> routing,
        long optimizerNanoseconds) {

    /** Steps so far that made no update. */
    public long skipped() {
        return step - updates;
    }
}
