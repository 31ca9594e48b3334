package dev.moe4j.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

/** Whether this processor multiplies in a type fast enough for a test that trains. */
public final class FastProducts {

    /** Far below any processor with instructions for the type, far above libtorch's fallback; operations per second. */
    private static final double LEAST = 5e9;

    private FastProducts() {}

    /** Skips the test where it would take minutes, and where libtorch computes another way, with other memory. */
    public static void assume(DType dtype) {
        assumeTrue(
                MatmulPeak.measure(dtype, Device.CPU) > LEAST,
                () -> "this processor has no fast products in " + dtype + ": libtorch computes them another way there");
    }
}
