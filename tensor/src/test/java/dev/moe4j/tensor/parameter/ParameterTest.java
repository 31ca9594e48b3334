package dev.moe4j.tensor.parameter;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ParameterTest {

    private static Parameters parameters(Precision precision, List<Long> shape, String... parts) {
        Parameters parameters = new Parameters(precision, Device.CPU);
        Parameter.Spec spec = Parameter.Spec.ofEqualParts(
                "w", shape, List.of(parts), parts.length > 1, (part, _) -> part.zero(), true);
        parameters.add("unit", List.of(spec));
        parameters.initialize(new RandomKey(1));
        return parameters;
    }

    private static Tensor matrix(Precision precision, float... values) {
        return Tensor.of(values).to(precision.compute()).view(2, -1);
    }

    /** Products in the accumulation type go directly to the gradient, others are converted. Both give the same result. */
    @ParameterizedTest
    @ValueSource(strings = {"fp64", "fp32", "bf16"})
    void productsAreWrittenAndThenAdded(String name) {
        Precision precision = Precision.parse(name);
        try (Parameters parameters = parameters(precision, List.of(2L, 2L, 2L), "w.0", "w.1");
                Scope _ = Scope.open()) {
            Parameter w = parameters.get("w");
            Tensor a = matrix(precision, 1, 2, 3, 4);
            Tensor b = matrix(precision, 5, 6, 7, 8);
            for (int step = 0; step < 2; step++) {
                parameters.startGradients();
                w.addGradientRows(0, a, b);
                w.addGradientEntry(1, null);
                w.entriesWritten();
                assertThat(w.gradient().toDoubles()).containsExactly(19, 22, 43, 50, 0, 0, 0, 0);
                w.addGradientRows(0, b.t(), a);
                w.addGradientRows(2, a.narrow(0, 0, 1), a);
                w.addGradientRows(3, a.narrow(0, 1, 1), a);
                w.entriesWritten();
                assertThat(w.gradient().toDoubles()).containsExactly(45, 60, 73, 94, 7, 10, 15, 22);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"fp64", "fp32", "bf16"})
    void theProductOfAWholeAddsToWhatIsThere(String name) {
        Precision precision = Precision.parse(name);
        try (Parameters parameters = parameters(precision, List.of(2L, 2L), "w");
                Scope _ = Scope.open()) {
            Parameter w = parameters.get("w");
            Tensor a = matrix(precision, 1, 2, 3, 4);
            parameters.startGradients();
            w.addGradientProduct(a, a.t());
            assertThat(w.gradient().toDoubles()).containsExactly(5, 11, 11, 25);
            w.addGradient(a);
            w.addGradientProduct(a, a);
            assertThat(w.gradient().toDoubles()).containsExactly(13, 23, 29, 51);
        }
    }
}
