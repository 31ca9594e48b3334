package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.NativeTensor;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.nio.file.Path;
import java.time.Duration;
import org.bytedeco.pytorch.FileStore;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.TensorVector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NcclTest {

    @TempDir
    private Path folder;

    private Store store() {
        // Owned by c10d's own count of references: without the clone a second use ends the JVM.
        return new FileStore(folder.resolve("store").toString(), 1).clone();
    }

    @Test
    void aGroupOfOneReduces() {
        assumeTrue(Libtorch.cudaDevices() > 0, "no CUDA device is here");
        try (Scope _ = Scope.open()) {
            Nccl nccl = new Nccl(Layout.SINGLE.everyone(), store(), Duration.ofSeconds(30));
            Tensor x = Tensor.full(3, DType.BFLOAT16, Device.parse("cuda"), 8);
            try (TensorVector vector = new TensorVector(NativeTensor.of(x))) {
                nccl.group().allreduce(vector)._wait();
            }
            assertThat(x.toDoubles()).containsOnly(3.0);
        }
    }

    @Test
    void whereItIsMissingTheMessageSaysWhatToDo() {
        Libtorch.load();
        assumeTrue(Libtorch.cudaDevices() == 0, "NCCL may be here");
        assertThatThrownBy(() -> new Nccl(Layout.SINGLE.everyone(), store(), Duration.ofSeconds(30)))
                .isInstanceOf(ParallelException.class)
                .hasMessageContaining("use a distribution with CUDA");
    }
}
