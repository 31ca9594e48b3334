package dev.moe4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.RunConfig;
import java.util.List;
import org.junit.jupiter.api.Test;

class MemoryUseTest {

    private static final Architecture MOE = RunConfig.read("moe-52b", List.of()).architecture();
    private static final ParameterCounts PARAMETERS = ParameterCounts.of(MOE);
    private static final double EXPERTS = PARAMETERS.experts().total();
    private static final double DENSE = PARAMETERS.total() - EXPERTS;

    private static MemoryUse of(Precision precision, int devices, int expertParallel, Sharding shard) {
        return MemoryUse.of(
                MOE, precision, DeviceLayout.of(devices, expertParallel, shard, 2, 2, Recompute.FULL), true);
    }

    /**
     * 128 devices with two copies of the experts. Each device has 1/128 of the dense state and half of a 64th of the
     * experts' state.
     */
    @Test
    void shardsAreSharesOfWhatOthersHaveToo() {
        double whole = DENSE + EXPERTS / 64;
        double share = DENSE / 128 + EXPERTS / 128;
        MemoryUse none = of(Precision.BF16, 128, 64, Sharding.NONE);
        assertThat(none.weights()).isCloseTo(Math.round(4 * whole), within(1_000_000L));
        assertThat(none.sharding()).isZero();

        MemoryUse optimizer = of(Precision.BF16, 128, 64, Sharding.OPTIMIZER);
        assertThat(optimizer.weights()).isCloseTo(Math.round(4 * share), within(1_000_000L));
        assertThat(optimizer.optimizer()).isCloseTo(Math.round(8 * share), within(1_000_000L));
        assertThat(optimizer.gradients()).isEqualTo(none.gradients());
        assertThat(optimizer.workingCopy()).isEqualTo(none.workingCopy());

        // The largest section is the experts of a layer: 8 of 512 in 12 layers.
        double section = EXPERTS / 12 / 64;
        MemoryUse gradients = of(Precision.BF16, 128, 64, Sharding.GRADIENTS);
        assertThat(gradients.gradients()).isCloseTo(Math.round(4 * share), within(1_000_000L));
        assertThat(gradients.sharding()).isEqualTo(Math.round(4 * section));

        MemoryUse parameters = of(Precision.BF16, 128, 64, Sharding.PARAMETERS);
        assertThat(parameters.workingCopy()).isCloseTo(Math.round(2 * share), within(1_000_000L));
        assertThat(parameters.sharding()).isEqualTo(Math.round((4 + 2 * 2) * section));
    }

    /**
     * Without copies of the experts, only the dense state is sharded, and its largest section is the embedding table.
     */
    @Test
    void expertsThatNobodyElseHasStay() {
        MemoryUse use = of(Precision.BF16, 512, 512, Sharding.PARAMETERS);
        assertThat(use.optimizer()).isCloseTo(Math.round(8 * (DENSE / 512 + EXPERTS / 512)), within(1_000_000L));
        assertThat(use.sharding())
                .isEqualTo(8L * MOE.model().vocabulary() * MOE.model().width());
    }

    /**
     * In float32, products use the master weights directly. Sharded master weights need an unsharded working copy,
     * which can be sharded too.
     */
    @Test
    void aShardedMasterNeedsACopy() {
        assertThat(of(Precision.FP32, 128, 64, Sharding.NONE).workingCopy()).isZero();
        MemoryUse optimizer = of(Precision.FP32, 128, 64, Sharding.OPTIMIZER);
        assertThat(optimizer.workingCopy())
                .isEqualTo(of(Precision.FP32, 128, 64, Sharding.NONE).weights());
        // Experts that only one device has are not sharded.
        assertThat(of(Precision.FP32, 64, 64, Sharding.OPTIMIZER).workingCopy())
                .isPositive()
                .isLessThan(optimizer.workingCopy());
        assertThat(of(Precision.FP32, 1, 1, Sharding.OPTIMIZER).workingCopy()).isZero();
        assertThat(of(Precision.FP32, 128, 64, Sharding.PARAMETERS).workingCopy())
                .as("master weights and working copy are sharded alike")
                .isZero();
    }
}
