package dev.moe4j.tensor.hardware;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;

/**
 * Measures the peak rate of matrix products, which is the reference for a training run's utilization. The rate is only
 * reported to people. No result may depend on it.
 */
public final class MatmulPeak {

    private static final int SIZE = 1024;
    /** Size of the matrices that predict whether a product of larger ones would take too long. */
    private static final int SMALL = 256;

    private static final double MAX_SECONDS = 1;
    private static final int MIN_REPETITIONS = 10;
    private static final long MIN_NANOSECONDS = 100_000_000;

    private MatmulPeak() {}

    /**
     * The rate of the fastest of several products of two 1024 × 1024 matrices. Uses 256 × 256 matrices instead if a large
     * product would take more than a second, as in bfloat16 on processors without AVX-512. Measures for at least 0.1 seconds.
     *
     * @return floating-point operations per second
     */
    public static double measure(DType dtype, Device device) {
        double small = measure(SMALL, SMALL, SMALL, dtype, device);
        double seconds = 2.0 * SIZE * SIZE * SIZE / small;
        return seconds > MAX_SECONDS ? small : measure(SIZE, SIZE, SIZE, dtype, device);
    }

    /** The rate of the fastest of several products {@code [rows, inner] · [inner, columns]}, in FLOPs per second. */
    public static double measure(int rows, int inner, int columns, DType dtype, Device device) {
        try (Scope _ = Scope.open()) {
            Tensor a = random(dtype, device, rows, inner, 1);
            Tensor b = random(dtype, device, inner, columns, 2);
            Tensor out = Tensor.empty(dtype, device, rows, columns);
            out.setToProduct(a, b);
            long best = Long.MAX_VALUE;
            long begin = System.nanoTime();
            for (int i = 0; i < MIN_REPETITIONS || System.nanoTime() - begin < MIN_NANOSECONDS; i++) {
                Libtorch.synchronize(device);
                long start = System.nanoTime();
                out.setToProduct(a, b);
                Libtorch.synchronize(device);
                best = Math.min(best, System.nanoTime() - start);
            }
            return 2.0 * rows * inner * columns / best * 1e9;
        }
    }

    private static Tensor random(DType dtype, Device device, int rows, int columns, long seed) {
        Tensor tensor = Tensor.empty(DType.FLOAT32, Device.CPU, rows, columns);
        new RandomKey(seed).fillUniform(tensor, -1, 1);
        return tensor.to(dtype).to(device);
    }
}
