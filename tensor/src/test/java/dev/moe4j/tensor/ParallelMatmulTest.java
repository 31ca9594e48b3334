package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Products that are partitioned over threads equal products on one thread. */
class ParallelMatmulTest {

    private int before;

    @BeforeEach
    void useThreeThreads() {
        before = Libtorch.threads();
        Libtorch.threads(3);
    }

    @AfterEach
    void restoreThreads() {
        Libtorch.threads(before);
    }

    private static Tensor random(long key, DType type, long... shape) {
        Tensor x = Tensor.empty(DType.FLOAT64, Device.CPU, shape);
        new RandomKey(key).fillUniform(x, -1, 1);
        return x.to(type);
    }

    private static void assertSame(Supplier<Tensor> product) {
        Tensor divided = product.get();
        Tensor expected = Libtorch.onOneThread(product);
        double bound = divided.dtype() == DType.FLOAT64 ? 1e-14 : 1e-6;
        assertThat(divided.sub(expected).norm()).isLessThanOrEqualTo(bound * expected.norm());
    }

    @ParameterizedTest
    @CsvSource({
        "FLOAT32, 1000, 40, 50",
        "FLOAT32, 50, 40, 1001",
        "FLOAT64, 301, 60, 302",
        "FLOAT32, 1, 1100, 1000",
        "FLOAT64, 1, 1100, 1000",
        "FLOAT32, 1, 8, 9",
        "FLOAT32, 7, 8, 9",
        "BFLOAT16, 1000, 40, 50",
        "BFLOAT16, 1, 1100, 1000",
    })
    void matrices(DType type, int rows, int inner, int columns) {
        try (Scope _ = Scope.open()) {
            Tensor a = random(1, type, rows, inner);
            Tensor b = random(2, type, inner, columns);
            Tensor weight = random(3, type, columns, inner);
            Tensor bias = random(4, type, columns);
            Tensor sum = random(5, type, rows, columns);
            assertSame(() -> a.matmul(b));
            assertSame(() -> Functions.linear(a, weight));
            assertSame(() -> Functions.linear(a, weight, bias));
            assertSame(() -> sum.copy().addProductInPlace(a, weight.t()));
            assertSame(() -> sum.t().contiguous().setToProduct(b.t(), a.t()));
            Tensor poisoned = sum.emptyLike().fill(Double.NaN);
            assertSame(() -> poisoned.setToProduct(a, b));
            Tensor wide = Tensor.zeros(type, Device.CPU, rows, columns + 5);
            assertSame(() -> wide.narrow(1, 3, columns).setToProduct(a, b));
            assertThat(wide.narrow(1, 0, 3).norm()).isZero();
            assertThat(wide.narrow(1, columns + 3L, 2).norm()).isZero();
        }
    }

    @ParameterizedTest
    @CsvSource({"FLOAT32, 8", "FLOAT64, 7", "FLOAT32, 1"})
    void batches(DType type, int batch) {
        try (Scope _ = Scope.open()) {
            Tensor a = random(1, type, batch, 300, 40);
            Tensor b = random(2, type, batch, 40, 500);
            Tensor sum = random(3, type, batch, 300, 500);
            assertSame(() -> sum.emptyLike().setToBatchProduct(a, b));
            assertSame(() -> sum.emptyLike().setToBatchProduct(a, b, 0.5));
            assertSame(() -> sum.copy().addBatchProductInPlace(a, b, 0.5));
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        try (Scope _ = Scope.open()) {
            Tensor a = random(1, DType.FLOAT32, 1000, 40);
            Tensor b = random(2, DType.FLOAT32, 41, 500);
            assertThatThrownBy(() -> a.matmul(b)).isInstanceOf(TensorException.class);
            assertThatThrownBy(() -> Functions.linear(a, b.t())).isInstanceOf(TensorException.class);
            Tensor sum = random(3, DType.FLOAT32, 1000, 500);
            assertThatThrownBy(() -> sum.addProductInPlace(a, b)).isInstanceOf(TensorException.class);
            assertThatThrownBy(() -> sum.to(DType.FLOAT64).setToProduct(a, b.narrow(0, 0, 40)))
                    .isInstanceOf(TensorException.class);
        }
    }
}
