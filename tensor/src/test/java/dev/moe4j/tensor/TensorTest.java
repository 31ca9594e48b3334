package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TensorTest {

    @Test
    void makesAndReadsTensors() {
        try (Scope _ = Scope.open()) {
            assertThat(Tensor.of(1.5, -2).toDoubles()).containsExactly(1.5, -2);
            assertThat(Tensor.of(3L, 4L).shape()).containsExactly(2);
            assertThat(Tensor.full(2, DType.BFLOAT16, Device.CPU, 2, 3).toFloats())
                    .hasSize(6)
                    .containsOnly(2);
            assertThat(Tensor.arange(4, Device.CPU).toLongs()).containsExactly(0, 1, 2, 3);
            assertThat(Tensor.empty(DType.FLOAT32, Device.CPU, 0, 3).toDoubles())
                    .isEmpty();
            float[] values = {1, 2, 3, 4};
            Tensor copy = Tensor.copyOf(MemorySegment.ofArray(values), DType.FLOAT32, Device.CPU, 2, 2);
            assertThat(copy.t().toFloats()).containsExactly(1, 3, 2, 4);
            assertThat(copy.isContiguous()).isTrue();
            assertThat(copy.t().isContiguous()).isFalse();
        }
    }

    @Test
    void multipliesAndSelects() {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.of(1f, 2, 3, 4).view(2, 2);
            assertThat(a.matmul(a).toFloats()).containsExactly(7, 10, 15, 22);
            assertThat(a.indexSelect(0, Tensor.of(1L, 0L)).toFloats()).containsExactly(3, 4, 1, 2);
            assertThat(a.select(0, 1).add(1).mul(2).toFloats()).containsExactly(8, 10);
            assertThat(Tensor.of(7L, -7L).floorDivide(2).toLongs()).containsExactly(3, -4);
            assertThat(Tensor.of(2.0, 1, 2, 1).argsortStable(0, false).toLongs())
                    .containsExactly(1, 3, 0, 2);
            assertThat(Functions.topk(Tensor.of(1f, 5, 3), 2)[1].toLongs()).containsExactly(1, 2);
            assertThat(Functions.upperBound(Tensor.of(2L, 2L, 5L), Tensor.of(1L, 2L, 5L))
                            .toLongs())
                    .containsExactly(0, 2, 3);
        }
    }

    /** A single row is multiplied by a different routine than a matrix. */
    @Test
    void aLinearLayerGivesOneRowWhatItGivesItAmongOthers() {
        try (Scope _ = Scope.open()) {
            for (int out : new int[] {3, 1024, 8192}) {
                Tensor x = Tensor.zeros(DType.FLOAT32, Device.CPU, 5, 256);
                Tensor weight = Tensor.zeros(DType.FLOAT32, Device.CPU, out, 256);
                Tensor bias = Tensor.zeros(DType.FLOAT32, Device.CPU, out);
                new RandomKey(1).fillNormal(x, 1);
                new RandomKey(2).fillNormal(weight, 1);
                new RandomKey(3).fillNormal(bias, 1);
                Tensor all = x.matmul(weight.t());
                Tensor one = x.narrow(0, 2, 1);
                assertOneRow(Functions.linear(one, weight), all.narrow(0, 2, 1));
                assertOneRow(
                        Functions.linear(one, weight, bias), all.narrow(0, 2, 1).add(bias));
            }
        }
    }

    private static void assertOneRow(Tensor actual, Tensor expected) {
        assertThat(actual.shape()).isEqualTo(expected.shape());
        assertThat(actual.sub(expected).norm()).isLessThanOrEqualTo(1e-6 * expected.norm());
    }

    @Test
    void groupedProductsEqualSingleOnes() {
        try (Scope _ = Scope.open()) {
            Tensor rows = Tensor.zeros(DType.FLOAT32, Device.CPU, 5, 16);
            Tensor weights = Tensor.zeros(DType.FLOAT32, Device.CPU, 3, 16, 8);
            new RandomKey(1).fillNormal(rows, 1);
            new RandomKey(2).fillNormal(weights, 1);
            Tensor a = rows.to(DType.BFLOAT16);
            Tensor b = weights.to(DType.BFLOAT16);
            // The middle group is empty.
            Tensor grouped = Functions.groupedMatmul(a, b, Tensor.of(2, 2, 5));
            Tensor single = Tensor.concat(
                    0,
                    a.narrow(0, 0, 2).matmul(b.select(0, 0)),
                    a.narrow(0, 2, 3).matmul(b.select(0, 2)));
            assertThat(grouped.toFloats()).containsExactly(single.toFloats());
        }
    }

    @Test
    void errorsNameTheOperationAndTheShapesInOneLine() {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FLOAT32, Device.CPU, 2, 3);
            assertThatThrownBy(() -> a.matmul(a))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("matmul")
                    .hasMessageContaining("float32[2, 3], float32[2, 3]")
                    .hasMessageNotContaining("\n")
                    .hasCauseInstanceOf(RuntimeException.class);
        }
    }

    @Test
    void operatorsRefuseTheWrongNumberOfArguments() {
        try (Scope _ = Scope.open()) {
            assertThatThrownBy(() -> Operator.named("aten::_grouped_mm").call(Tensor.of(1.0)))
                    .hasMessageContaining("takes 5 arguments, not 1");
            assertThatThrownBy(() -> Operator.named("aten::no_such_operator").call())
                    .hasMessageContaining("no_such_operator");
        }
    }

    @Test
    void unknownDevicesAndPrecisionsAreRefused() {
        assertThatThrownBy(() -> Device.parse("gpu")).hasMessageContaining("use cpu, cuda");
        assertThatThrownBy(() -> Device.parse("cuda:99")).hasMessageContaining("does not exist");
        assertThatThrownBy(() -> Precision.parse("int4")).hasMessageContaining("use bf16");
        for (Precision precision : List.of(Precision.BF16, Precision.FP16, Precision.FP32, Precision.FP64)) {
            assertThat(Precision.parse(precision.name())).isEqualTo(precision);
        }
    }

    /** The sum over 4096 equal scores would stop at 256 in bfloat16, and would be rounded in float16. */
    @Test
    void softmaxOfNarrowTypesIsComputedInFloat32() {
        for (DType type : List.of(DType.BFLOAT16, DType.FLOAT16)) {
            try (Scope _ = Scope.open()) {
                Tensor scores = Tensor.empty(DType.FLOAT32, Device.CPU, 8, 4096);
                new RandomKey(3).fillUniform(scores, -0.01, 0.01);
                Tensor narrow = scores.to(type);
                assertThat(narrow.softmax(-1).toFloats())
                        .isEqualTo(narrow.to(DType.FLOAT32).softmax(-1).to(type).toFloats());
            }
        }
    }

    /** Rows of complete and partial vector registers, in a view of a larger tensor. */
    @Test
    void aSoftmaxMayTakeThePlaceOfItsScores() {
        for (DType type : List.of(DType.FLOAT64, DType.FLOAT32, DType.BFLOAT16, DType.FLOAT16)) {
            for (int length : List.of(1, 7, 128, 301, 2048)) {
                try (Scope _ = Scope.open()) {
                    Tensor wide = Tensor.empty(DType.FLOAT64, Device.CPU, 5, 3, length);
                    new RandomKey(4).fillUniform(wide, -9, 9);
                    wide.select(1, 0).narrow(1, 0, length - 1).fill(Double.NEGATIVE_INFINITY);
                    Tensor scores = wide.to(type).narrow(0, 1, 3);
                    double[] expected = scores.softmax(-1).toDoubles();
                    assertThat(Functions.softmax(scores, scores).toDoubles()).isEqualTo(expected);
                }
            }
        }
    }

    @Test
    void theNormOfALargeTensorIsThatOfAllElements() {
        try (Scope _ = Scope.open()) {
            Tensor large = Tensor.zeros(DType.FLOAT32, Device.CPU, 2500, 1001);
            assertThat(large.norm()).isZero();
            large.select(1, 0).fill(1);
            large.select(1, 1000).fill(2);
            assertThat(large.norm()).isCloseTo(Math.sqrt(2500 * 5), within(1e-4));
            assertThat(large.t().norm()).isCloseTo(Math.sqrt(2500 * 5), within(1e-4));
            large.select(0, 1200).fill(Double.NaN);
            assertThat(large.norm()).isNaN();
        }
    }

    /** Up to the size of a layer's experts, where a float32 sum of all squares would lose precision. */
    @ParameterizedTest
    @ValueSource(longs = {0, 5, 8191, 3 * 8192, (1 << 24) + 77})
    void theNormOfManyNumbersLosesNone(long elements) {
        try (Scope _ = Scope.open()) {
            Tensor x = Tensor.empty(DType.FLOAT32, Device.CPU, elements);
            new RandomKey(1).fillNormal(x, 1e-3);
            double exact = Math.sqrt(x.to(DType.FLOAT64).square().sum().item());
            assertThat(x.norm()).isCloseTo(exact, within(1e-6 * exact));
        }
    }

    @Test
    void batchProductsAreScaledWrittenAndAdded() {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.of(1f, 2, 3, 4).view(2, 1, 2);
            Tensor b = Tensor.of(1f, 1, 2, 3).view(2, 2, 1);
            // The previous content must not matter, even if it is NaN.
            Tensor c = Tensor.full(Double.NaN, DType.FLOAT32, Device.CPU, 2, 1, 1);
            assertThat(c.setToBatchProduct(a, b).toFloats()).containsExactly(3, 18);
            c.fill(Double.NaN);
            assertThat(c.setToBatchProduct(a, b, 0.5).toFloats()).containsExactly(1.5f, 9);
            assertThat(c.addBatchProductInPlace(a, b, 2).toFloats()).containsExactly(7.5f, 45);
        }
    }
}
