package dev.moe4j.model;

import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Nested;

/** The suite over every way to compute the experts' products. */
class ExpertProductsTest {

    @Nested
    class Loop extends ExpertProductsSuite {
        @Override
        ExpertProducts products(Assignment assignment, Tensor rows) {
            return new ExpertProducts.Loop(assignment);
        }

        @Override
        List<Precision> precisions() {
            return List.of(Precision.FP64, Precision.FP32, Precision.BF16);
        }
    }

    @Nested
    class Grouped extends ExpertProductsSuite {
        @Override
        ExpertProducts products(Assignment assignment, Tensor rows) {
            return ExpertProducts.Grouped.of(assignment, rows.device());
        }

        @Override
        List<Precision> precisions() {
            return List.of(Precision.BF16);
        }
    }
}
