package dev.moe4j.model;

import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.cuda.Kernels;
import org.jspecify.annotations.Nullable;

/**
 * Settings that choose among implementations with equal results: reference or fast, activation recomputation, routing
 * on host or device, fused kernels. They may change between passes.
 */
final class Execution {

    private boolean reference;
    private Recompute recompute = Recompute.NONE;
    private boolean deviceRouting;
    private @Nullable Kernels kernels;

    /** The default settings for a device. */
    Execution(Device device) {
        deviceRouting = device.isCuda();
        kernels = Kernels.of(device).orElse(null);
    }

    /** Whether every section uses its reference implementation. */
    boolean reference() {
        return reference;
    }

    void useReference() {
        reference = true;
    }

    /** The activation recomputation in use. */
    Recompute recompute() {
        return recompute;
    }

    void recompute(Recompute setting) {
        recompute = setting;
    }

    /** Whether the device assigns tokens to experts if it can. */
    boolean routesOnDevice() {
        return deviceRouting && !reference;
    }

    void routeOnDevice(boolean setting) {
        deviceRouting = setting;
    }

    /** The fused kernels; null if sections use libtorch's operators only. */
    @Nullable
    Kernels kernels() {
        return reference ? null : kernels;
    }

    void useKernels(@Nullable Kernels given) {
        kernels = given;
    }
}
