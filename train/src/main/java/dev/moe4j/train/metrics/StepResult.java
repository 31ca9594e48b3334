package dev.moe4j.train.metrics;

import dev.moe4j.model.routing.LayerRouting;
import java.util.List;

/**
 * The result of one training step.
 *
 * @param step the step's number, from 1
 * @param updates steps so far that updated the parameters, that is, all but the skipped ones
 * @param loss the loss in nats per token, without the load balancing loss
 * @param balance the load balancing loss before its weight, averaged over layers; 0 for dense models
 * @param learningRate the learning rate of this step
 * @param gradientNorm the global gradient norm before clipping; NaN or infinite if gradients overflowed in fp16
 * @param lossScale the factor that the loss was multiplied by; 1 unless the precision is fp16
 * @param tokens tokens predicted in this step, by all processes
 * @param routing the routing statistics of each MoE layer in the last micro-batch
 * @param optimizerNanoseconds time of gradient norm and update; on a GPU it includes the device's work only if the
 *     trainer has a timer
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

    /** Steps so far that were skipped: they made no update. */
    public long skipped() {
        return step - updates;
    }
}
