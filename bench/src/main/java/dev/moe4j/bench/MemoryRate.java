package dev.moe4j.bench;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;

/** Measures the rate at which a device reads its memory. */
final class MemoryRate {

    /** Size of the buffer, larger than any cache. */
    private static final long BYTES = 256L << 20;

    private static final int REPETITIONS = 5;

    private MemoryRate() {}

    /** Memory bandwidth in bytes per second: a sum over a buffer larger than any cache, fastest of several. */
    static double measure(Device device) {
        try (Scope _ = Scope.open()) {
            Tensor numbers = Tensor.full(1, DType.FLOAT32, device, BYTES / Float.BYTES);
            double best = 0;
            for (int i = 0; i < REPETITIONS; i++) {
                try (Scope _ = Scope.open()) {
                    long start = System.nanoTime();
                    double sum = numbers.sum().item();
                    double seconds = (System.nanoTime() - start) / 1e9;
                    best = sum > 0 ? Math.max(best, BYTES / seconds) : best;
                }
            }
            return best;
        }
    }
}
