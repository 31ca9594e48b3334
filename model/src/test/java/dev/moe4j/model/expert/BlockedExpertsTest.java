package dev.moe4j.model.expert;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Difference;
import dev.moe4j.model.TinyExperts;
import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocked experts give the same numbers as experts computed step by step. */
class BlockedExpertsTest {

    private static final int EXPERTS = 6;
    private static final int WIDTH = 16;
    /** Wide enough for two blocks of columns. */
    private static final int FFN = 528;

    /** Empty experts, one row, few rows, exactly one block of rows, and several blocks with a smaller last one. */
    private static final ExpertRows ROWS = new ExpertRows.Received(0, 1, 8, 8 + 512, 520 + 1100, 1620);

    private static final InnerActivation SWIGLU = new InnerActivation(Activation.SILU, true);

    private static List<InnerActivation> activations() {
        return Stream.of(Activation.values())
                .flatMap(activation ->
                        Stream.of(new InnerActivation(activation, false), new InnerActivation(activation, true)))
                .toList();
    }

    @ParameterizedTest
    @CsvSource({"fp64, 1e-14", "fp32, 1e-6", "bf16, 4e-3"})
    void equalsTheReference(String precision, double bound) {
        for (InnerActivation activation : activations()) {
            for (boolean masked : List.of(false, true)) {
                List<double[]> blocked = compute(
                        precision, masked, activation, weights -> new BlockedExperts(weights, activation, ROWS));
                List<double[]> reference = compute(
                        precision,
                        masked,
                        activation,
                        weights -> new ExpertNetworks.ByProducts(weights, activation, new ExpertProducts.Loop(ROWS)));
                for (int i = 0; i < reference.size(); i++) {
                    assertThat(Difference.relative(blocked.get(i), reference.get(i)))
                            .as("%s, %s, masked: %s, result %s", precision, activation, masked, i)
                            .isLessThanOrEqualTo(bound);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"fp64", "fp32", "bf16"})
    void resultsDoNotDependOnTheNumberOfThreads(String precision) {
        int before = Libtorch.threads();
        try {
            List<List<double[]>> results = IntStream.rangeClosed(1, 3)
                    .mapToObj(threads -> {
                        Libtorch.threads(threads);
                        return compute(precision, true, SWIGLU, weights -> new BlockedExperts(weights, SWIGLU, ROWS));
                    })
                    .toList();
            for (int i = 0; i < results.getFirst().size(); i++) {
                assertThat(results.get(1).get(i)).isEqualTo(results.get(0).get(i));
                assertThat(results.get(2).get(i)).isEqualTo(results.get(0).get(i));
            }
        } finally {
            Libtorch.threads(before);
        }
    }

    /** The outputs, the gradient of the rows, and the parameters' gradients after one pass and accumulated over two. */
    private static List<double[]> compute(
            String name,
            boolean masked,
            InnerActivation activation,
            Function<ExpertNetworks.Weights, ExpertNetworks> networksOf) {
        Precision precision = Precision.parse(name);
        try (Scope _ = Scope.open();
                Parameters parameters = new Parameters(precision, Device.CPU)) {
            ExpertNetworks networks =
                    networksOf.apply(TinyExperts.weights(parameters, EXPERTS, WIDTH, FFN, activation.gated()));
            DType type = precision.compute();
            int rows = ROWS.start(EXPERTS);
            Tensor x_RD = random(2, type, rows, WIDTH);
            Tensor gradient_RD = random(3, type, rows, WIDTH);
            Tensor mask_RF = masked ? random(4, type, rows, FFN) : null;
            // Gradients of an earlier step must be overwritten.
            networks.weights().all().forEach(parameter -> parameter.gradient().fill(7));
            parameters.startGradients();
            ExpertNetworks.Passed passed = networks.forward(x_RD, mask_RF);
            assertThat(networks.active(passed.inner(), mask_RF).toDoubles())
                    .isEqualTo(passed.active_RF().toDoubles());
            double[] once = backward(networks, gradient_RD, x_RD, passed, mask_RF);
            List<double[]> gradients = gradients(networks);
            backward(networks, gradient_RD, x_RD, passed, mask_RF);
            List<double[]> twice = gradients(networks);
            return Stream.of(List.of(passed.y_RD().toDoubles(), once), gradients, twice)
                    .flatMap(List::stream)
                    .toList();
        }
    }

    private static double[] backward(
            ExpertNetworks networks,
            Tensor gradient_RD,
            Tensor x_RD,
            ExpertNetworks.Passed passed,
            @Nullable Tensor mask_RF) {
        return networks.backward(gradient_RD, x_RD, passed.inner(), passed.active_RF(), mask_RF)
                .toDoubles();
    }

    private static List<double[]> gradients(ExpertNetworks networks) {
        return networks.weights().all().stream()
                .map(parameter -> parameter.gradient().toDoubles())
                .toList();
    }

    private static Tensor random(long key, DType type, int... shape) {
        Tensor x = Tensor.empty(
                DType.FLOAT64, Device.CPU, Arrays.stream(shape).asLongStream().toArray());
        new RandomKey(key).fillUniform(x, -1, 1);
        return x.to(type);
    }
}
