package dev.moe4j.model.block;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Difference;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares blocked attention with libtorch's, on both sides of the length from which weights are recomputed. */
class LongAttentionTest {

    @ParameterizedTest
    @ValueSource(ints = {AttentionSection.LONGEST_KEPT, AttentionSection.LONGEST_KEPT + 88})
    void blocksEqualUnblockedAttention(int length) {
        ModelConfig config =
                new ModelConfig(2, 8, 2, 16, 32, length, Activation.GELU, 0, 0, TinyModels.PADDING, 0, 1, 0, 0);
        Architecture architecture = new Architecture(config, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT);
        TokenBatch plain = TinyModels.batch(1, 2, length, config.vocabulary());
        for (TokenBatch batch : new TokenBatch[] {plain, TinyModels.padded(plain)}) {
            Map<String, double[]> blocks = results(architecture, batch, false);
            Map<String, double[]> whole = results(architecture, batch, true);
            assertThat(blocks.keySet()).isEqualTo(whole.keySet());
            whole.forEach((name, b) -> {
                double[] a = Objects.requireNonNull(blocks.get(name));
                assertThat(Difference.relative(a, b)).as(name).isLessThanOrEqualTo(1e-9);
            });
        }
    }

    private static Map<String, double[]> results(Architecture architecture, TokenBatch batch, boolean reference) {
        Map<String, double[]> results = new LinkedHashMap<>();
        try (LanguageModel model =
                LanguageModel.initialize(architecture, Precision.FP64, Device.CPU, new RandomKey(1))) {
            if (reference) {
                model.useReferenceSections();
            }
            model.parameters().startGradients();
            try (Scope _ = Scope.open();
                    Tape tape = Tape.recording()) {
                LossReport report =
                        model.loss(tape, batch, new PassContext(true, 1, new RandomKey(2), new long[] {0, 1}));
                results.put("nll", report.nll().tensor().toDoubles());
                tape.backward(report.roots().toArray(Value[]::new));
            }
            model.parameters().finishGradients();
            for (Parameter parameter : model.parameters().all()) {
                results.put(parameter.name(), parameter.gradient().toDoubles());
            }
        }
        return results;
    }
}
