package dev.moe4j.plan;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.hardware.MatmulPeak;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A device to plan training for. The named devices are NVIDIA's, with the numbers of their data sheets:
 *
 * <ul>
 *   <li>{@code a100-80gb}: A100 80GB SXM, 312 TFLOP/s, 400 W (NVIDIA A100 Tensor Core GPU data sheet, 2021)
 *   <li>{@code h100-sxm}: H100 SXM5 80GB, 989.4 TFLOP/s, 700 W (NVIDIA H100 Tensor Core GPU Architecture, 2022)
 *   <li>{@code h200}: H200 SXM 141GB, 989.4 TFLOP/s, 700 W (NVIDIA H200 Tensor Core GPU data sheet, 2023)
 *   <li>{@code v100-32gb}: V100 SXM2 32GB, 125 TFLOP/s in fp16, since it has no bf16, 300 W (NVIDIA V100 Tensor Core GPU
 *       data sheet, 2020)
 * </ul>
 *
 * {@code cpu} is the processor of this machine. Its peak is measured, and its power is not known.
 *
 * @param name the name in requests
 * @param flopsPerSecond peak of dense products: in 16 bits for the named devices, in the run's compute type for {@code
 *     cpu}
 * @param memoryBytes memory of the device
 * @param watts maximum power of the device without its machine; null if unknown
 */
public record Accelerator(
        String name,
        double flopsPerSecond,
        long memoryBytes,
        @Nullable Double watts) {

    private static final long GIB = 1L << 30;
    static final String CPU = "cpu";

    private static final List<Accelerator> NAMED = List.of(
            new Accelerator("a100-80gb", 312e12, 80 * GIB, 400.0),
            new Accelerator("h100-sxm", 989.4e12, 80 * GIB, 700.0),
            new Accelerator("h200", 989.4e12, 141 * GIB, 700.0),
            new Accelerator("v100-32gb", 125e12, 32 * GIB, 300.0));

    /**
     * The precision of a run on a device. {@code auto} means bf16 on the named devices, and on {@code cpu} the
     * precision that a run would choose on this machine.
     */
    static Precision precision(String name, RunConfig run) {
        if (name.equals(CPU)) {
            return run.resolvePrecision(Device.CPU);
        }
        return run.precision().equals(RunConfig.AUTO) ? Precision.BF16 : Precision.parse(run.precision());
    }

    /**
     * Returns the device of a name.
     *
     * @param precision the precision in which the peak of {@code cpu} is measured
     * @throws TrainException if the name is not known
     */
    static Accelerator named(String name, Precision precision) {
        if (name.equals(CPU)) {
            long memory = ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
                    .getTotalMemorySize();
            return new Accelerator(CPU, MatmulPeak.measure(precision.compute(), Device.CPU), memory, null);
        }
        return NAMED.stream()
                .filter(device -> device.name().equals(name))
                .findFirst()
                .orElseThrow(() -> unknown(name));
    }

    static TrainException unknown(String name) {
        return new TrainException("no device is called '" + name + "'; there are "
                + String.join(", ", NAMED.stream().map(Accelerator::name).toList()) + ", " + CPU);
    }

    /** Divides a processor's peak and memory among processes; other devices are returned unchanged. */
    Accelerator sharedBy(int processes) {
        return isCpu() ? new Accelerator(name, flopsPerSecond / processes, memoryBytes / processes, watts) : this;
    }

    boolean isCpu() {
        return name.equals(CPU);
    }
}
