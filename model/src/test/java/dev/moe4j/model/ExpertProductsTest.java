package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Kernels;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The suite over every way to compute the experts' products. */
@Tag("device")
class ExpertProductsTest {

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

    /** Widths that libtorch's grouped products refuse go through the loop. */
    @ParameterizedTest
    @CsvSource({"BFLOAT16, 8, 16, true", "BFLOAT16, 8, 12, false", "BFLOAT16, 4, 16, false", "FLOAT32, 8, 16, false"})
    void choosesWhatTheWidthsAllow(DType type, int in, int out, boolean grouped) {
        try (Scope _ = Scope.open()) {
            ExpertRows rows = new ExpertRows.Arrived(0, 32);
            Tensor weight = Tensor.zeros(type, Device.CPU, 2, out, in);
            ExpertProducts products = ExpertProducts.of(rows, weight);
            assertThat(products instanceof ExpertProducts.Grouped).isEqualTo(grouped);
            Tensor x = Tensor.zeros(type, Device.CPU, rows.count(), in);
            assertThat(products.forward(x, weight).shape()).containsExactly(rows.count(), out);
        }
    }
}
