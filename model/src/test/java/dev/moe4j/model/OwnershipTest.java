package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.decode.Decoder;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.TensorException;
import org.junit.jupiter.api.Test;

/** A model whose creation fails frees its native memory, and a closed model says that it is closed. */
class OwnershipTest {

    private static final int CONTEXT = 16;

    private static Architecture architecture(int experts, int expertFfn) {
        return new Architecture(
                new ModelConfig(2, 64, 2, 64, 64, CONTEXT, Activation.GELU, 0, 0, -1, experts, 1, expertFfn, 0),
                TinyModels.dropless(1),
                BalanceConfig.DEFAULT);
    }

    /** Experts of 2^49 bytes, more than a process can address, after an embedding and an attention layer. */
    @Test
    void failedCreationFreesItsMemory() {
        long before = Scope.liveTensors();
        assertThatThrownBy(() -> LanguageModel.initialize(
                        architecture(1024, Integer.MAX_VALUE), Precision.FP32, Device.CPU, new RandomKey(1)))
                .isInstanceOf(TensorException.class);
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void failedForkFreesItsMemory() {
        try (LanguageModel model = model()) {
            Decoder decoder = Decoder.of(model, 1, CONTEXT);
            decoder.append(new int[] {3, 4});
            decoder.close();
            long before = Scope.liveTensors();
            assertThatThrownBy(() -> decoder.fork(CONTEXT, 0))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("used after it was closed");
            assertThat(Scope.liveTensors()).isEqualTo(before);
        }
    }

    @Test
    void closedModelFailsClearly() {
        LanguageModel model = model();
        Decoder decoder = Decoder.of(model, 1, CONTEXT);
        model.close();
        try (decoder) {
            assertThatThrownBy(() -> decoder.append(new int[] {3, 4}))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("used after it was closed");
        }
        try (Scope _ = Scope.open()) {
            TokenBatch batch = TinyModels.batch(1, 2, CONTEXT, 64);
            assertThatThrownBy(() -> model.logits(batch))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("used after it was closed");
        }
    }

    private static LanguageModel model() {
        return LanguageModel.initialize(architecture(0, 0), Precision.FP32, Device.CPU, new RandomKey(1));
    }
}
