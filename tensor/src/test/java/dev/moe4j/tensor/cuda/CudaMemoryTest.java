package dev.moe4j.tensor.cuda;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("device")
class CudaMemoryTest {

    private static final long MEBIBYTE = 1 << 20;

    @Test
    void thePeakOutlivesItsTensors() {
        Device cuda = TestDevices.cuda();
        CudaMemory.restart(cuda);
        long before = CudaMemory.peak(cuda).orElseThrow();
        for (int mebibytes : new int[] {64, 16}) {
            try (Scope _ = Scope.open()) {
                assertThat(Tensor.zeros(DType.FLOAT32, cuda, mebibytes * MEBIBYTE / Float.BYTES)
                                .bytes())
                        .isEqualTo(mebibytes * MEBIBYTE);
            }
        }
        assertThat(CudaMemory.peak(cuda).orElseThrow() - before).isBetween(64 * MEBIBYTE, 66 * MEBIBYTE);
        CudaMemory.restart(cuda);
        assertThat(CudaMemory.peak(cuda).orElseThrow() - before).isLessThan(MEBIBYTE);
    }
}
