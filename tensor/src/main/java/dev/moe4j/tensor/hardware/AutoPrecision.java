package dev.moe4j.tensor.hardware;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.cpu.OneDnnInstructions;
import dev.moe4j.tensor.cuda.CudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * The precision of training where the user names none. It follows from the device and its instruction set alone. Measured
 * speeds depend on what else the machine does, and two runs of one command would compute in different precisions.
 *
 * @param precision the choice
 * @param reason what the device has, or lacks
 */
public record AutoPrecision(Precision precision, String reason) {

    /** The least that oneDNN needs to multiply bfloat16 by instructions for it; without them it is slower than float32. */
    private static final String BFLOAT16_INSTRUCTIONS = "AVX512_CORE_BF16";

    /** The first of NVIDIA's architectures with bfloat16, and with matrix units for float16. */
    private static final int AMPERE = 80;

    private static final int VOLTA = 70;

    /** The choice for a device of this machine. */
    public static AutoPrecision of(Device device) {
        return device.isCuda() ? onCuda(CudaDriver.of(device).architecture()) : onCpu(Libtorch.oneDnnInstructions());
    }

    /**
     * The choice on a CPU.
     *
     * @param oneDnn the instruction set that oneDNN uses; null where it is not known
     */
    static AutoPrecision onCpu(@Nullable String oneDnn) {
        if (oneDnn == null) {
            return new AutoPrecision(Precision.FP32, "the CPU's instruction set is not known");
        }
        return OneDnnInstructions.reaches(oneDnn, BFLOAT16_INSTRUCTIONS)
                ? new AutoPrecision(Precision.BF16, oneDnn + " has bf16 products")
                : new AutoPrecision(Precision.FP32, oneDnn + " has no bf16 products");
    }

    /**
     * The choice on a GPU. Training in float16 needs a scaled loss, so that bfloat16 comes first.
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
                : new AutoPrecision(Precision.FP32, architecture + " has no fast products of 16 bits");
    }
}
