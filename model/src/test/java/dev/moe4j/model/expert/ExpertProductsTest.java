package dev.moe4j.model.expert;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.TinyExperts;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.tensor.parameter.ShardSpec;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Runs the suite for every implementation. */
@Tag("device")
class ExpertProductsTest {

    @Test
    void usesGroupedProductsIfSupported() {
        assertThat(ExpertProducts.canGroup(DType.BFLOAT16, 1023, 64, 128)).isTrue();
        assertThat(ExpertProducts.canGroup(DType.BFLOAT16, 1024, 64, 128)).isFalse();
        assertThat(ExpertProducts.canGroup(DType.FLOAT32, 8, 64, 128)).isFalse();
        assertThat(ExpertProducts.canGroup(DType.BFLOAT16, 8, 60, 128)).isFalse();
    }

    @Nested
    class Loop extends ExpertProductsSuite {
        @Override
        ExpertProducts products(ExpertRows assigned, Tensor rows) {
            return new ExpertProducts.Loop(assigned);
        }

        @Override
        List<Precision> precisions() {
            return List.of(Precision.FP64, Precision.FP32, Precision.BF16);
        }
    }

    @Nested
    class Grouped extends ExpertProductsSuite {
        @Override
        ExpertProducts products(ExpertRows assigned, Tensor rows) {
            return ExpertProducts.Grouped.of(assigned, rows.device());
        }

        @Override
        List<Precision> precisions() {
            return List.of(Precision.BF16);
        }
    }

    @Nested
    class OnDevice extends ExpertProductsSuite {
        @Override
        ExpertProducts products(ExpertRows assigned, Tensor rows) {
            long[] expertOf = new long[assigned.count()];
            for (int e = 0; e < assigned.experts(); e++) {
                Arrays.fill(expertOf, assigned.start(e), assigned.start(e + 1), e);
            }
            Device device = rows.device();
            return new ExpertProducts.OnDevice(
                    Tensor.of(assigned.ends()).to(device),
                    Tensor.of(expertOf).to(device),
                    Kernels.of(device).orElse(null));
        }

        @Override
        List<Precision> precisions() {
            return List.of(Precision.BF16);
        }
    }

    /** Sharded weights exist only while a section runs, but the implementation is chosen before. */
    @ParameterizedTest
    @EnumSource(names = {"BFLOAT16", "FLOAT32"})
    void choosesBeforeWeightsAreGathered(DType type) {
        ShardSpec share = new ShardSpec(2, 0, true, true, true);
        try (Scope _ = Scope.open();
                Parameters whole = new Parameters(precision(type), Device.CPU);
                Parameters shared = new Parameters(precision(type), Device.CPU)) {
            ExpertRows rows = new ExpertRows.Received(0, 32);
            Parameter there = TinyExperts.weights(whole, 2, 8, 16).fc1Weight();
            Parameter elsewhere = TinyExperts.weights(shared, 2, 8, 16, share).fc1Weight();
            assertThat(elsewhere.tensor().elements()).isZero();
            assertThat(ExpertProducts.of(rows, elsewhere)).hasSameClassAs(ExpertProducts.of(rows, there));
        }
    }

    private static Precision precision(DType type) {
        return type == DType.BFLOAT16 ? Precision.BF16 : Precision.FP32;
    }

    /** Widths that libtorch's grouped products do not support use the loop. */
    @ParameterizedTest
    @CsvSource({"BFLOAT16, 8, 16, true", "BFLOAT16, 8, 12, false", "BFLOAT16, 4, 16, false", "FLOAT32, 8, 16, false"})
    void choosesByWidth(DType type, int in, int out, boolean grouped) {
        try (Scope _ = Scope.open();
                Parameters parameters = new Parameters(precision(type), Device.CPU)) {
            ExpertRows rows = new ExpertRows.Received(0, 32);
            Parameter weight = TinyExperts.weights(parameters, 2, in, out).fc1Weight();
            ExpertProducts products = ExpertProducts.of(rows, weight);
            assertThat(products instanceof ExpertProducts.Grouped).isEqualTo(grouped);
            Tensor x = Tensor.zeros(type, Device.CPU, rows.count(), in);
            assertThat(products.forward(x, weight.tensor()).shape()).containsExactly(rows.count(), out);
        }
    }
}
