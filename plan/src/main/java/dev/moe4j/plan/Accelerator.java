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
 * A device that training may be planned for. The named ones are NVIDIA's, by their data sheets:
 *
 * <ul>
 *   <li>{@code a100-80gb}: A100 80GB SXM, 312 TFLOP/s, 400 W (NVIDIA A100 Tensor Core GPU data sheet, 2021)
 *   <li>{@code h100-sxm}: H100 SXM5 80GB, 989.4 TFLOP/s, 700 W (NVIDIA H100 Tensor Core GPU Architecture, 2022)
 *   <li>{@code h200}: H200 SXM 141GB, 989.4 TFLOP/s, 700 W (NVIDIA H200 Tensor Core GPU data sheet, 2023)
 *   <li>{@code v100-32gb}: V100 SXM2 32GB, 125 TFLOP/s in fp16, since it has no bf16, 300 W (NVIDIA V100 Tensor Core GPU
 *       data sheet, 2020)
 * </ul>
 *
 * {@code cpu} is the processor that the question is asked on; its peak is measured, its power is not known.
 *
 * @param name the name to ask for it by
 * @param flopsPerSecond of its dense products: in 16 bits for the named ones, in the run's compute type for {@code cpu}
 * @param memoryBytes of the device
 * @param watts that it draws at most, without the machine around it; null where unknown
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
     * The precision of a run on the device of that name; {@code auto} is bf16, and on this processor what a run takes here.
     */
    static Precision precision(String name, RunConfig run) {
        if (name.equals(CPU)) {
            return run.resolvePrecision(Device.CPU);
        }
        return run.precision().equals(RunConfig.AUTO) ? Precision.BF16 : Precision.parse(run.precision());
    }

    /**
     * The device of that name.
     *
     * @param precision in which {@code cpu} is measured
     * @throws TrainException if there is none
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

    /** A processor's part for each of so many processes on it; other devices are not shared. */
    Accelerator sharedBy(int processes) {
        return isCpu() ? new Accelerator(name, flopsPerSecond / processes, memoryBytes / processes, watts) : this;
    }

    boolean isCpu() {
        return name.equals(CPU);
    }
}
