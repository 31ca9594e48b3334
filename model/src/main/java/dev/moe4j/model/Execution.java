package dev.moe4j.model;

import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.cuda.Kernels;
import org.jspecify.annotations.Nullable;

/**
 * Settings of a model's computation that may change between passes. Most choose among implementations with equal results:
 * reference or fast, activation recomputation, routing on host or device, fused kernels.
 */
final class Execution {

    private boolean reference;
    private Recompute recompute = Recompute.NONE;
    private boolean deviceRouting;
    private @Nullable Kernels kernels;
    private double expertDropout;
    private boolean roundRobin;

    /**
     * The default settings for a device.
     *
     * @param expertDropout the dropout probability inside experts during training
     */
    Execution(Device device, double expertDropout) {
        this.expertDropout = expertDropout;
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

    /** The dropout probability inside experts during training. */
    double expertDropout() {
        return expertDropout;
    }

    void expertDropout(double probability) {
        expertDropout = probability;
    }

    /** Whether tokens are assigned to experts round robin, regardless of the router. */
    boolean roundRobin() {
        return roundRobin;
    }

    void assignRoundRobin() {
        roundRobin = true;
    }
}
