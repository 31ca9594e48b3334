package dev.moe4j.train.checkpoint;

import dev.moe4j.train.optimizer.LossScale;
import dev.moe4j.train.optimizer.SpikeGuard;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where a trainer stands beside its model's parameters and moments.
 *
 * @param step finished steps
 * @param updates those that changed the parameters
 * @param sequences the global number of the next sequence
 * @param lossScale null where the loss is not scaled
 * @param balance the last step's fractions of first choices; see {@link dev.moe4j.model.routing.BalanceTracker}
 */
public record TrainerState(
        long step,
        long updates,
        long sequences,
        LossScale.@Nullable State lossScale,
        SpikeGuard.State spikes,
        List<List<Double>> balance) {}
