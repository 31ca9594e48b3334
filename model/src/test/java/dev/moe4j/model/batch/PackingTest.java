package dev.moe4j.model.batch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Packed sequences: with a document mask and reset positions, each document gives the same result as alone. */
class PackingTest {

    private static final int CONTEXT = 700;

    /** The attention implementation. */
    private enum Path {
        PLAIN(150),
        BLOCKED(150),
        FUSED(600);

        final int length;

        Path(int length) {
            this.length = length;
        }
    }

    private static LanguageModel model(Path path, Precision precision) {
        ModelConfig config = new ModelConfig(2, 16, 2, 20, 24, CONTEXT, Activation.GELU, 0, 0, -1, 4, 1, 8, 0);
        // A balance loss concerns all tokens together.
        BalanceConfig balance = new BalanceConfig(0, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.MEAN, 0);
        Architecture architecture = new Architecture(config, TinyModels.dropless(2), balance);
        LanguageModel model =
                LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(7).fold("packing"));
        if (path == Path.PLAIN) {
            model.useReferenceSections();
        }
        return model;
    }

    /** Two sequences with documents of a few lengths; the second sequence ends in padding. */
    private static TokenBatch packed(int length, boolean mask, boolean reset) {
        TokenBatch plain = TinyModels.batch(3, 2, length, 24);
        long[] documents = new long[2 * length];
        long[] targets = plain.targets().clone();
        for (int i = 0; i < length; i++) {
            documents[i] = i < 1 ? 0 : i < length / 3 ? 1 : 2;
            documents[length + i] = i < length / 2 ? 0 : i < length - 7 ? 1 : TokenBatch.NONE;
        }
        Arrays.fill(targets, 2 * length - 7, 2 * length, TokenBatch.NONE);
        return new TokenBatch(plain.tokens(), targets, 2, new Packing(documents, mask, reset));
    }

    /** The starts of documents, and the padding of the batch. */
    private static List<Integer> starts(TokenBatch batch) {
        Packing packing = Objects.requireNonNull(batch.packing());
        List<Integer> starts = new ArrayList<>();
        for (int i = 0; i < batch.tokens().length; i++) {
            if (packing.isFirst(i, batch.length())) {
                starts.add(i);
            }
        }
        return starts;
    }

    private static double[] loss(LanguageModel model, TokenBatch batch) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            LossReport report = model.loss(tape, batch, PassContext.evaluation(batch.sequences()));
            double[] nll = report.nll().tensor().toDoubles();
            tape.backward(report.roots().toArray(Value[]::new));
            return nll;
        }
    }

    private static double[] gradients(LanguageModel model) {
        return model.parameters().all().stream()
                .map(Parameter::gradient)
                .flatMapToDouble(gradient -> Arrays.stream(gradient.toDoubles()))
                .toArray();
    }

    @TestFactory
    Stream<DynamicTest> packedDocumentHasTheSameLossAndGradientAsAlone() {
        return Stream.of(Precision.FP64, Precision.FP32)
                .flatMap(precision -> Arrays.stream(Path.values())
                        .map(path -> DynamicTest.dynamicTest(
                                path + ", " + precision.compute(), () -> compare(path, precision))));
    }

    private static void compare(Path path, Precision precision) {
        double bound = precision.equals(Precision.FP64) ? 1e-12 : 2e-5;
        try (LanguageModel model = model(path, precision)) {
            TokenBatch batch = packed(path.length, true, true);
            model.parameters().startGradients();
            double[] together = loss(model, batch);
            double[] gradient = gradients(model);

            model.parameters().startGradients();
            List<Integer> starts = starts(batch);
            int fill = starts.removeLast();
            for (int i = 0; i < starts.size(); i++) {
                int from = starts.get(i);
                int to = i + 1 < starts.size() ? starts.get(i + 1) : fill;
                TokenBatch alone = new TokenBatch(
                        Arrays.copyOfRange(batch.tokens(), from, to), Arrays.copyOfRange(batch.targets(), from, to), 1);
                assertThat(loss(model, alone))
                        .as("document at " + from)
                        .containsExactly(Arrays.copyOfRange(together, from, to), within(bound));
            }
            assertThat(Arrays.copyOfRange(together, fill, together.length)).containsOnly(0);
            double largest = Arrays.stream(gradient).map(Math::abs).max().orElse(0);
            assertThat(gradients(model)).containsExactly(gradient, within(bound * largest));
        }
    }

    /** Neither the mask nor the positions alone make documents independent. */
    @Test
    void maskAndPositionsAreIndependent() {
        try (LanguageModel model = model(Path.BLOCKED, Precision.FP64)) {
            double[] both = loss(model, packed(150, true, true));
            double[] masked = loss(model, packed(150, true, false));
            double[] reset = loss(model, packed(150, false, true));
            double[] neither = loss(model, packed(150, false, false));
            TokenBatch batch = packed(150, false, false);
            double[] plain = loss(model, new TokenBatch(batch.tokens(), batch.targets(), 2));
            assertThat(neither).containsExactly(plain, within(1e-12));
            // Only the documents that begin their sequences are equal in all packings.
            assertThat(both[0]).isCloseTo(plain[0], within(1e-12));
            assertThat(masked[100]).isNotCloseTo(both[100], within(1e-6));
            assertThat(reset[100]).isNotCloseTo(both[100], within(1e-6));
            assertThat(masked[100]).isNotCloseTo(plain[100], within(1e-6));
        }
    }

    @Test
    void decreasingDocumentNumbersAreRefused() {
        Packing falling = new Packing(new long[] {0, 2, 1}, true, true);
        assertThatThrownBy(() -> new TokenBatch(new long[3], new long[3], 1, falling))
                .isInstanceOf(ModelException.class)
                .hasMessage(
                        "token 2 of a sequence belongs to document 1, but the token before it to document 2; document numbers must not decrease");
        Packing shorter = new Packing(new long[2], true, true);
        assertThatThrownBy(() -> new TokenBatch(new long[3], new long[3], 1, shorter))
                .isInstanceOf(ModelException.class)
                .hasMessage("2 document numbers were given for 3 tokens");
    }
}
