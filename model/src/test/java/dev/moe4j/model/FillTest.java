package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Batches of sequences of different lengths, padded at their ends. */
class FillTest {

    private static final int[] LENGTHS = {9, 4, 7};

    private static TokenBatch alone(int i) {
        return TinyModels.batch(i, 1, LENGTHS[i], 24);
    }

    private static TokenBatch together() {
        long[] tokens = new long[3 * 9];
        long[] targets = new long[3 * 9];
        Arrays.fill(tokens, TokenBatch.PADDING);
        Arrays.fill(targets, TokenBatch.NONE);
        for (int i = 0; i < 3; i++) {
            System.arraycopy(alone(i).tokens(), 0, tokens, i * 9, LENGTHS[i]);
            System.arraycopy(alone(i).targets(), 0, targets, i * 9, LENGTHS[i]);
        }
        return new TokenBatch(tokens, targets, 3);
    }

    /** Losses and gradients over some batches in which each token has the same weight. */
    private static Map<String, double[]> gradients(LanguageModel model, List<TokenBatch> batches, List<Double> losses) {
        model.parameters().startGradients();
        for (TokenBatch batch : batches) {
            try (Scope _ = Scope.open();
                    Tape tape = Tape.recording()) {
                PassContext pass =
                        new PassContext(true, 1.0 / 20, 20.0 / 3, new RandomKey(1), new long[batch.sequences()]);
                LossReport report = model.loss(tape, batch, pass);
                double[] nll = report.nll().tensor().toDoubles();
                for (int i = 0; i < nll.length; i++) {
                    if (batch.targets()[i] != TokenBatch.NONE) {
                        losses.add(nll[i]);
                    }
                }
                tape.backward(report.roots().toArray(Value[]::new));
            }
        }
        model.parameters().finishGradients();
        Map<String, double[]> gradients = new LinkedHashMap<>();
        for (Parameter parameter : model.parameters().all()) {
            gradients.put(parameter.name(), parameter.gradient().toDoubles());
        }
        return gradients;
    }

    /** Without balance losses, and with per-sequence balance losses that weigh as much as the loss. */
    @ParameterizedTest
    @ValueSource(doubles = {0, 1})
    void changesNoLossAndNoGradient(double balance) {
        Architecture architecture = new Architecture(
                TinyModels.mixture(16, 4, 1, 0),
                TinyModels.dropless(2),
                new BalanceConfig(balance, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.MEAN, 0));
        try (LanguageModel model =
                LanguageModel.initialize(architecture, Precision.FP64, Device.CPU, new RandomKey(3))) {
            List<Double> expectedLosses = new ArrayList<>();
            Map<String, double[]> expected = gradients(model, List.of(alone(0), alone(1), alone(2)), expectedLosses);
            List<Double> losses = new ArrayList<>();
            Map<String, double[]> found = gradients(model, List.of(together()), losses);

            assertThat(losses).hasSize(20);
            for (int i = 0; i < 20; i++) {
                assertThat(losses.get(i)).isCloseTo(expectedLosses.get(i), within(1e-12));
            }
            expected.forEach((name, gradient) -> {
                double[] other = found.getOrDefault(name, new double[0]);
                assertThat(other).hasSameSizeAs(gradient);
                for (int i = 0; i < gradient.length; i++) {
                    assertThat(other[i]).as(name).isCloseTo(gradient[i], within(1e-12));
                }
            });
        }
    }

    @Test
    void noExpertReceivesFill() {
        Architecture architecture =
                new Architecture(TinyModels.mixture(16, 4, 0, 0), TinyModels.dropless(2), BalanceConfig.DEFAULT);
        try (LanguageModel model =
                        LanguageModel.initialize(architecture, Precision.FP32, Device.CPU, new RandomKey(3));
                Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            LossReport report = model.loss(tape, together(), PassContext.evaluation(3));
            assertThat(report.routing())
                    .allSatisfy(layer -> assertThat(
                                    Arrays.stream(layer.firstChoices()).sum())
                            .as("first choices")
                            .isEqualTo(20));
        }
    }

    /** In packed sequences, padding has a valid token, and the packing marks it. */
    @Test
    void noExpertReceivesFillOfPackedSequences() {
        TokenBatch batch = together();
        long[] documents = new long[batch.tokens().length];
        Arrays.setAll(documents, i -> batch.targets()[i] == TokenBatch.NONE ? TokenBatch.NONE : 0);
        TokenBatch packed = new TokenBatch(
                Arrays.stream(batch.tokens()).map(token -> Math.max(0, token)).toArray(),
                batch.targets(),
                3,
                new Packing(documents, true, true));

        boolean[] fill = new boolean[documents.length];
        for (int i = 0; i < fill.length; i++) {
            fill[i] = batch.tokens()[i] == TokenBatch.PADDING;
        }
        assertThat(packed.unrouted(true, -1)).isEqualTo(fill);
        assertThat(packed.unrouted(false, -1)).isNull();
        assertThat(batch.unrouted(false, -1)).isEqualTo(fill);
    }

    @Test
    void expertsHaveSeparateDropout() {
        Architecture architecture =
                new Architecture(TinyModels.mixture(16, 4, 0, 0), TinyModels.dropless(1), BalanceConfig.DEFAULT);
        try (LanguageModel model =
                LanguageModel.initialize(architecture, Precision.FP64, Device.CPU, new RandomKey(3))) {
            List<Double> without = losses(model, true);
            model.expertDropout(0.5);
            assertThat(losses(model, true)).isNotEqualTo(without).isEqualTo(losses(model, true));
            assertThat(losses(model, false)).as("in training only").isEqualTo(without);
        }
    }

    private static List<Double> losses(LanguageModel model, boolean training) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            PassContext pass = new PassContext(training, 1, new RandomKey(1), new long[1]);
            return Arrays.stream(model.loss(tape, alone(0), pass).nll().tensor().toDoubles())
                    .boxed()
                    .toList();
        }
    }
}
