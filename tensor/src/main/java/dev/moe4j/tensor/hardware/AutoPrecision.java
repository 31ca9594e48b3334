package dev.moe4j.tensor.hardware;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.cpu.OneDnnInstructions;
import dev.moe4j.tensor.cuda.CudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * The default precision of training on a device. It depends only on the device's instruction set. Measured speeds vary with
 * the machine's load, and two runs of the same command would use different precisions.
 *
 * @param precision the precision
 * @param reason the property of the device that decides, for people, such as "sm_90 has bf16 products"
 */
public record AutoPrecision(Precision precision, String reason) {

    /** The smallest set with bfloat16 instructions. Without them oneDNN multiplies bfloat16 more slowly than float32. */
    private static final String BFLOAT16_INSTRUCTIONS = "AVX512_CORE_BF16";

    /** NVIDIA's first architecture with bfloat16 tensor cores. */
    private static final int AMPERE = 80;

    /** NVIDIA's first architecture with float16 tensor cores. */
    private static final int VOLTA = 70;

    /** The default precision on a device of this machine. */
    public static AutoPrecision of(Device device) {
        return device.isCuda() ? onCuda(CudaDriver.of(device).architecture()) : onCpu(Libtorch.oneDnnInstructions());
    }

    /**
     * The default precision on a CPU.
     *
     * @param oneDnn the instruction set that oneDNN uses; null if it is unknown
     */
    static AutoPrecision onCpu(@Nullable String oneDnn) {
        if (oneDnn == null) {
            return new AutoPrecision(Precision.FP32, "the CPU's instruction set is unknown");
        }
        return OneDnnInstructions.reaches(oneDnn, BFLOAT16_INSTRUCTIONS)
                ? new AutoPrecision(Precision.BF16, oneDnn + " has bf16 products")
                : new AutoPrecision(Precision.FP32, oneDnn + " has no bf16 products");
    }

    /**
     * The default precision on a GPU. bfloat16 is preferred, because training in float16 needs loss scaling.
     *
     * @param architecture such as {@code sm_90}
     */
    static AutoPrecision onCuda(String architecture) {
        int number = Integer.parseInt(architecture.replaceAll("\\D", ""));
        if (number >= AMPERE) {
            return new AutoPrecision(Precision.BF16, architecture + " has bf16 products");
        }
        return number >= VOLTA
                ? new AutoPrecision(Precision.FP16, architecture + " has fp16 products and no bf16 products")
                : new AutoPrecision(Precision.FP32, architecture + " has no fast 16-bit products");
    }
}
