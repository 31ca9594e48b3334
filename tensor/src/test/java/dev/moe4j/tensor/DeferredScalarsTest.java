package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class DeferredScalarsTest {

    @Test
    void manyAreReadAtOnce() {
        try (Scope scope = Scope.open()) {
            Tensor changing = Tensor.of(1.0, 2);
            DeferredScalars pair = DeferredScalars.of(changing, scope);
            DeferredScalars one = DeferredScalars.of(Tensor.of(7L), scope);
            DeferredScalars none = DeferredScalars.of(Tensor.zeros(DType.FLOAT32, Device.CPU, 0, 3), scope);
            changing.zero();
            long before = Tensor.hostReads();
            DeferredScalars.read(List.of(pair, one, none));
            assertThat(pair.values()).containsExactly(1, 2);
            assertThat(one.value()).isEqualTo(7);
            assertThat(none.values()).isEmpty();
            DeferredScalars.read(List.of(pair, one, none));
            assertThat(Tensor.hostReads() - before).isEqualTo(1);
        }
    }

    @Test
    void outlivesItsScopeWhereItIsKeptOrRead() {
        long living = Scope.liveTensors();
        try (Scope outer = Scope.open()) {
            DeferredScalars lost;
            DeferredScalars kept;
            DeferredScalars read;
            try (Scope inner = Scope.open()) {
                lost = DeferredScalars.of(Tensor.of(1L), inner);
                kept = DeferredScalars.of(Tensor.of(2L), inner).keepIn(outer);
                read = DeferredScalars.of(Tensor.of(3L), inner);
                assertThat(read.value()).isEqualTo(3);
            }
            assertThat(read.value()).isEqualTo(3);
            assertThat(kept.value()).isEqualTo(2);
            assertThatThrownBy(lost::value)
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("read after their scope closed");
        }
        assertThat(Scope.liveTensors()).isEqualTo(living);
    }

    @Test
    void readsToTheHostAreCounted() {
        try (Scope _ = Scope.open()) {
            Tensor x = Tensor.of(1.0, 2);
            long before = Tensor.hostReads();
            double _ = x.sum().item();
            double[] _ = x.toDoubles();
            float[] _ = x.toFloats();
            long[] _ = x.toLongs();
            double _ = x.norm();
            assertThat(x.allFinite()).isTrue();
            assertThat(Tensor.hostReads() - before).isEqualTo(6);
        }
    }
}
