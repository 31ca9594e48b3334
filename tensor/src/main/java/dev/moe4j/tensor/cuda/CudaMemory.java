package dev.moe4j.tensor.cuda;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.OptionalLong;
import org.bytedeco.pytorch.cuda.DeviceStats;
import org.bytedeco.pytorch.global.torch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What libtorch's caching allocator counts on a GPU: bytes of tensors, not those that it keeps for later ones. */
public final class CudaMemory {

    private static final Logger LOG = LoggerFactory.getLogger(CudaMemory.class);

    private CudaMemory() {}

    /** Begins to count anew. */
    public static void restart(Device device) {
        // The first tensor makes the allocator.
        try (Scope _ = Scope.open()) {
            Tensor _ = Tensor.zeros(DType.FLOAT32, device, 1);
        }
        torch.resetPeakStats((byte) device.index());
    }

    /** Bytes at their most since {@link #restart}; empty where the binding of CUDA's part of libtorch does not load. */
    public static OptionalLong peak(Device device) {
        try (DeviceStats counts = torch.getDeviceStats((byte) device.index())) {
            return OptionalLong.of(counts.allocated_bytes().peak());
        } catch (LinkageError e) {
            LOG.warn("the memory of {} is not measured, since libtorch's binding of CUDA does not load", device, e);
            return OptionalLong.empty();
        }
    }
}
