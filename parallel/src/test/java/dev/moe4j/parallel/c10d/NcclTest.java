package dev.moe4j.parallel.c10d;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.parallel.CollectivesCheck;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.parallel.health.ExchangeProgress;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.ParallelException;
import dev.moe4j.parallel.rendezvous.FailureDetector;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.NativeTensor;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import java.net.InetAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.stream.Stream;
import org.bytedeco.pytorch.FileStore;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.TensorVector;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** A group of one member with backends, because two members of an NCCL group cannot share a GPU. */
@Tag("device")
class NcclTest {

    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final Members ALONE = Layout.SINGLE.everyone();

    @TempDir
    private Path folder;

    private Store store() {
        // Without the clone, C++ and Java both own the store, and a second use ends the JVM.
        return new FileStore(folder.resolve("store").toString(), 1).clone();
    }

    @Test
    void aGroupOfOneReduces() {
        Device cuda = TestDevices.cuda();
        try (Scope _ = Scope.open()) {
            Nccl nccl = new Nccl(ALONE, store(), TIMEOUT);
            Tensor x = Tensor.full(3, DType.BFLOAT16, cuda, 8);
            try (TensorVector vector = new TensorVector(NativeTensor.of(x))) {
                nccl.group().allreduce(vector)._wait();
            }
            assertThat(x.toDoubles()).containsOnly(3.0);
        }
    }

    /** Gloo runs the collectives on the CPU, and NCCL runs them on a GPU. */
    @TestFactory
    Stream<DynamicTest> everyCollectiveGivesItsValues() {
        return TestDevices.each(device -> {
            ExchangeProgress progress = new ExchangeProgress();
            try (Scope _ = Scope.open();
                    Peers peers = Peers.listen(InetAddress.getLoopbackAddress(), progress)) {
                Store store = store();
                CollectiveBackends backends = new CollectiveBackends(
                        new Gloo(ALONE, store, "127.0.0.1", TIMEOUT), () -> new Nccl(ALONE, store, TIMEOUT));
                ProcessGroup group =
                        new ProcessGroup(ALONE, backends, new FailureDetector(0, TIMEOUT, progress, peers), null);
                CollectivesCheck.all(DType.FLOAT32, device, group);
                CollectivesCheck.all(DType.BFLOAT16, device, group);
                CollectivesCheck.all(DType.FLOAT32, device, group.onWire(DType.BFLOAT16));
                assertThat(progress.waitedSeconds()).isPositive();
            }
        });
    }

    @Test
    void whereItIsMissingTheMessageSaysWhatToDo() {
        Libtorch.load();
        assumeTrue(Libtorch.cudaDevices() == 0, "NCCL may be here");
        assertThatThrownBy(() -> new Nccl(ALONE, store(), TIMEOUT))
                .isInstanceOf(ParallelException.class)
                .hasMessageContaining("use a distribution with CUDA");
    }
}
