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

/**
 * Measures the GPU memory of tensors by the statistics of libtorch's caching allocator. Memory that the allocator caches for
 * later tensors does not count.
 */
public final class CudaMemory {

    private static final Logger LOG = LoggerFactory.getLogger(CudaMemory.class);

    private CudaMemory() {}

    /** Resets the peak to the memory in use now. */
    public static void restart(Device device) {
        // The first tensor initializes the allocator.
        try (Scope _ = Scope.open()) {
            Tensor _ = Tensor.zeros(DType.FLOAT32, device, 1);
        }
        torch.resetPeakStats((byte) device.index());
    }

    /** The peak since {@link #restart}, in bytes; empty, with a warning, if libtorch's CUDA binding does not load. */
    public static OptionalLong peak(Device device) {
        try (DeviceStats counts = torch.getDeviceStats((byte) device.index())) {
            return OptionalLong.of(counts.allocated_bytes().peak());
        } catch (LinkageError e) {
            LOG.warn("cannot measure the memory of {}: libtorch's CUDA binding does not load", device, e);
            return OptionalLong.empty();
        }
    }
}
