package dev.moe4j.train.checkpoint;

import dev.moe4j.train.optimizer.LossScale;
import dev.moe4j.train.optimizer.SpikeGuard;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The state of a trainer, apart from the parameters and their moments.
 *
 * @param step finished steps
 * @param updates steps that updated the parameters
 * @param sequences the global number of the next sequence
 * @param lossScale the loss scaling state; null if the loss is not scaled
 * @param spikes the spike guard's state
 * @param balance the last step's fractions of first choices; see {@link dev.moe4j.model.routing.BalanceTracker}
 */
public record TrainerState(
        long step,
        long updates,
        long sequences,
        LossScale.@Nullable State lossScale,
        SpikeGuard.State spikes,
        List<List<Double>> balance) {}
