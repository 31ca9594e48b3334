package dev.moe4j.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.tensor.cpu.OneDnnInstructions;

/**
 * Whether this processor has the instructions that a test needs to multiply in a type. The instruction set decides, since a
 * measured speed depends on what else the machine does.
 */
public final class FastProducts {

    private FastProducts() {}

    /** Skips a test that trains if it would take minutes. Without AVX-512 a bfloat16 product of 1024³ takes seconds. */
    public static void assume(DType dtype) {
        assumeTrue(
                has(dtype, "AVX512_CORE"),
                () -> "this processor has no fast products in " + dtype + ": minutes of work");
    }

    /**
     * Skips a test if the processor has no instructions for a type narrower than float32. libtorch then computes another
     * way, which takes other memory.
     */
    public static void assumeInstructions(DType dtype) {
        assumeTrue(has(dtype, "AVX512_CORE_BF16"), () -> "this processor has no instructions for " + dtype);
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
