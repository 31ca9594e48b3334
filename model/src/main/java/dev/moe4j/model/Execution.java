package dev.moe4j.model;

import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.cuda.Kernels;
import org.jspecify.annotations.Nullable;

/** Which of the ways that give the same numbers a model computes in; it may change between passes. */
final class Execution {

    private boolean reference;
    private Recompute recompute = Recompute.NONE;
    private boolean deviceRouting;
    private @Nullable Kernels kernels;

    /** The way that is usual on the device. */
    Execution(Device device) {
        deviceRouting = device.isCuda();
        kernels = Kernels.of(device).orElse(null);
    }

    /** Whether every section computes in its plainest way. */
    boolean reference() {
        return reference;
    }

    void useReference() {
        reference = true;
    }

    /** What is computed again in the backward pass. */
    Recompute recompute() {
        return recompute;
    }

    void recompute(Recompute setting) {
        recompute = setting;
    }

    /** Whether the device assigns tokens to experts where it can. */
    boolean routesOnDevice() {
        return deviceRouting && !reference;
    }

    void routeOnDevice(boolean setting) {
        deviceRouting = setting;
    }

    /** Kernels of our own; null where sections compute by libtorch's operators. */
    @Nullable
    Kernels kernels() {
        return reference ? null : kernels;
    }

    void useKernels(@Nullable Kernels given) {
        kernels = given;
    }
}
