package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products in a tensor's memory are those of tensors. */
class FloatMatrixTest {

    private static Tensor random(long key, long... shape) {
        Tensor x = Tensor.empty(DType.FLOAT64, Device.CPU, shape);
        new RandomKey(key).fillUniform(x, -1, 1);
        return x.to(DType.FLOAT32);
    }

    private static void assertEqual(Tensor actual, Tensor expected) {
        assertThat(actual.toDoubles()).containsExactly(expected.toDoubles(), within(1e-5));
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 1", "1, 40, 30", "2, 40, 30", "33, 1, 7", "33, 40, 1", "130, 64, 128"})
    void productsOfMatricesAndTheirTransposes(int rows, int inner, int columns) {
        try (Scope _ = Scope.open()) {
            Tensor a = random(1, rows, inner);
            Tensor b = random(2, inner, columns);
            Tensor aT = a.t().contiguous();
            Tensor bT = b.t().contiguous();
            Tensor expected = a.matmul(b);
            for (FloatMatrix left :
                    new FloatMatrix[] {FloatMatrix.of(a), FloatMatrix.of(aT).t()}) {
                for (FloatMatrix right :
                        new FloatMatrix[] {FloatMatrix.of(b), FloatMatrix.of(bT).t()}) {
                    Tensor result = Tensor.full(Double.NaN, DType.FLOAT32, Device.CPU, rows, columns);
                    FloatMatrix.of(result).setToProduct(left, right);
                    assertEqual(result, expected);
                    FloatMatrix.of(result).addProduct(left, right);
                    assertEqual(result, expected.mul(2));
                }
            }
        }
    }

    @Test
    void partsWriteNothingBesideThem() {
        try (Scope _ = Scope.open()) {
            Tensor a = random(1, 9, 20);
            Tensor b = random(2, 3, 8, 10);
            Tensor expected = random(3, 12, 15);
            Tensor result = expected.copy();
            FloatMatrix.of(result)
                    .rows(2, 4)
                    .columns(5, 8)
                    .setToProduct(
                            FloatMatrix.of(a).rows(3, 4).columns(7, 10),
                            FloatMatrix.of(b).rows(8, 8).t());
            expected.narrow(0, 2, 4)
                    .narrow(1, 5, 8)
                    .setToProduct(
                            a.narrow(0, 3, 4).narrow(1, 7, 10), b.select(0, 1).t());
            assertEqual(result, expected);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 3", "7, 5", "1024, 2", "2500, 33"})
    void rowsAreFilledAndSummed(int rows, int columns) {
        try (Scope _ = Scope.open()) {
            Tensor row = random(1, 1, columns);
            Tensor filled = Tensor.zeros(DType.FLOAT32, Device.CPU, rows, columns);
            FloatMatrix.of(filled).fillRows(FloatMatrix.of(row));
            assertThat(filled.toFloats())
                    .containsExactly(row.expand(rows, columns).contiguous().toFloats());

            Tensor x = random(2, rows, columns + 4);
            FloatMatrix part = FloatMatrix.of(x).columns(3, columns);
            double[] sums = x.to(DType.FLOAT64).narrow(1, 3, columns).sum(0).toDoubles();
            Tensor result = Tensor.full(Double.NaN, DType.FLOAT32, Device.CPU, 1, columns);
            FloatMatrix.of(result).sumRows(part, false);
            assertThat(result.toDoubles()).containsExactly(sums, within(1e-4));
            FloatMatrix.of(result).sumRows(part, true);
            assertThat(result.mul(0.5).toDoubles()).containsExactly(sums, within(1e-4));
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (Scope _ = Scope.open()) {
            FloatMatrix a = FloatMatrix.of(random(1, 4, 6));
            assertThatThrownBy(() -> a.setToProduct(a, a))
                    .isInstanceOf(TensorException.class)
                    .hasMessage("[4, 6] and [4, 6] do not fit into [4, 6]");
            assertThatThrownBy(() -> a.t().setToProduct(a.t(), a.rows(0, 4)))
                    .hasMessage("a transpose [6, 4] and [4, 6] do not fit into a transpose [6, 4]");
            assertThatThrownBy(() -> a.rows(2, 3)).hasMessage("3 from 2 of [4, 6]: there are 4");
            assertThatThrownBy(() -> a.columns(-1, 3)).hasMessage("3 from -1 of [4, 6]: there are 6");
            assertThatThrownBy(() -> a.t().rows(0, 1)).isInstanceOf(TensorException.class);
            assertThatThrownBy(() -> a.fillRows(a.rows(0, 1).columns(0, 2))).isInstanceOf(TensorException.class);
            assertThatThrownBy(() -> FloatMatrix.of(Tensor.zeros(DType.FLOAT64, Device.CPU, 2, 2)))
                    .hasMessage("matrix of float32: float64[2, 2] is of another type");
            assertThatThrownBy(() -> FloatMatrix.of(random(1, 4, 6).t())).hasMessageContaining("not contiguous");
        }
    }

    /** Small weights, and any where oneDNN does not multiply. */
    @Test
    void isForFloatsOnTheCpu() {
        assertThat(suits(Precision.FP32, 3, 64, 128)).isTrue();
        assertThat(suits(Precision.FP64, 3, 64, 128)).isFalse();
        assertThat(suits(Precision.BF16, 3, 64, 128)).isFalse();
        assertThat(suits(Precision.FP32, 1, 512, 512)).isEqualTo(!Libtorch.float32ThroughOneDnn());
        assertThat(Libtorch.<Boolean>onSingleRow(() -> suits(Precision.FP32, 1, 512, 512)))
                .isTrue();
    }

    private static boolean suits(Precision precision, long... shape) {
        try (Parameters parameters = new Parameters(precision, Device.CPU)) {
            List<Long> sizes = Arrays.stream(shape).boxed().toList();
            parameters.add("unit", List.of(new Parameter.Spec("w", sizes, List.of("w"), false, (part, _) -> {}, true)));
            return FloatMatrix.suits(parameters.get("w"));
        }
    }
}
