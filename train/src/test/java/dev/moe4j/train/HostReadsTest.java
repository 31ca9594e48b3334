package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Counts the reads from the device in a step. Each read makes the host wait for the GPU; docs/gpu-step.md lists them.
 */
@Tag("device")
class HostReadsTest {

    private static final int MOE_LAYERS = 2;

    /** Routing on the device needs one read per step, independent of the number of layers and micro-batches. */
    @ParameterizedTest
    @CsvSource({
        "0, DROPLESS, BF16, false, 1, 1",
        "0, DROPLESS, FP32, true, 4, 1",
        "4, DROPLESS, BF16, true, 1, 1",
        "4, DROPLESS, BF16, true, 4, 1",
        // Routing on the host reads the logits of each router in each micro-batch.
        "4, DROPLESS, BF16, false, 1, 3",
        "4, DROPLESS, BF16, false, 4, 9",
        // In fp32 each expert has its own product, and the host assigns places.
        "4, DROPLESS, FP32, true, 1, 3",
        "4, CAPACITY, BF16, true, 1, 3"
    })
    void aStepReads(
            int experts,
            RoutingConfig.Strategy strategy,
            String precision,
            boolean onDevice,
            int accumulation,
            int wanted) {
        check(Device.CPU, experts, strategy, precision, onDevice, accumulation, wanted);
    }

    /** The same as on the CPU. */
    @ParameterizedTest
    @CsvSource({"0, 1", "0, 4", "4, 1", "4, 4"})
    void aStepOnCudaReadsOnce(int experts, int accumulation) {
        check(TestDevices.cuda(), experts, RoutingConfig.Strategy.DROPLESS, "bf16", true, accumulation, 1);
    }

    private static void check(
            Device device,
            int experts,
            RoutingConfig.Strategy strategy,
            String precision,
            boolean onDevice,
            int accumulation,
            int wanted) {
        ModelConfig config = new ModelConfig(
                2 * MOE_LAYERS, 32, 2, 64, 64, 16, Activation.GELU, 0, 0, -1, experts, 2, experts > 0 ? 32 : 0, 0);
        RoutingConfig routing =
                new RoutingConfig(strategy, 2, 1, 1, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
        try (LanguageModel model = LanguageModel.initialize(
                new Architecture(config, routing, BalanceConfig.DEFAULT),
                Precision.parse(precision),
                device,
                new RandomKey(1))) {
            model.routeOnDevice(onDevice);
            Trainer trainer = new Trainer(
                    model,
                    new BatchConfig(8, accumulation),
                    OptimizerConfig.DEFAULT,
                    ScheduleConfig.constant(5),
                    (number, tokens) -> Arrays.fill(tokens, (int) (number % 60)),
                    1,
                    1000);
            // The first step lacks previous fractions of first choices.
            for (int step = 0; step < 3; step++) {
                long before = Tensor.hostReads();
                trainer.step();
                assertThat(Tensor.hostReads() - before).isEqualTo(wanted);
            }
        }
    }
}
