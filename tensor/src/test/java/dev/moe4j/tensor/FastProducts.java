package dev.moe4j.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.tensor.cpu.OneDnnInstructions;

/**
 * Skips tests for types that this processor cannot multiply fast. The instruction set decides, because measured speeds depend
 * on the machine's load.
 */
public final class FastProducts {

    private FastProducts() {}

    /** Skips a training test that would take minutes. Without AVX-512 a 1024³ product in bfloat16 takes seconds. */
    public static void assume(DType dtype) {
        assumeTrue(
                has(dtype, "AVX512_CORE"),
                () -> "this processor is slow at matrix products in " + dtype + ": the test would take minutes");
    }

    /**
     * Skips a test if the processor lacks instructions for a 16-bit type. libtorch then uses a different algorithm, which
     * needs a different amount of memory.
     */
    public static void assumeInstructions(DType dtype) {
        assumeTrue(has(dtype, "AVX512_CORE_BF16"), () -> "this processor lacks instructions for " + dtype);
    }

    private static boolean has(DType dtype, String forBfloat16) {
        return switch (dtype) {
            case BFLOAT16 -> reaches(forBfloat16);
            case FLOAT16 -> reaches("AVX512_CORE_FP16");
            default -> true;
        };
    }

    private static boolean reaches(String wanted) {
        String oneDnn = Libtorch.oneDnnInstructions();
        return oneDnn != null && OneDnnInstructions.reaches(oneDnn, wanted);
    }
}
