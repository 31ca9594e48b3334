package dev.moe4j.tensor;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Whether this processor multiplies in a type as a test needs it. */
public final class FastProducts {

    /** Far above libtorch's slowest way; operations per second. */
    private static final double LEAST = 5e9;

    /** Measured once: many tests ask. */
    private static final Map<DType, Double> PEAKS = new ConcurrentHashMap<>();

    private FastProducts() {}

    /** Skips a test that trains where it would take minutes. */
    public static void assume(DType dtype) {
        assumeTrue(peak(dtype) > LEAST, () -> "this processor has no fast products in " + dtype + ": minutes of work");
    }

    /**
     * Skips a test where the processor has no instructions for a type narrower than float32: without them libtorch
     * computes another way, which takes other memory, and never as fast as in float32.
     */
    public static void assumeInstructions(DType dtype) {
        assumeTrue(
                dtype.bytes() >= DType.FLOAT32.bytes() || peak(dtype) > peak(DType.FLOAT32),
                () -> "this processor has no instructions for " + dtype);
    }

    private static double peak(DType dtype) {
        return PEAKS.computeIfAbsent(dtype, type -> MatmulPeak.measure(type, Device.CPU));
    }
}
