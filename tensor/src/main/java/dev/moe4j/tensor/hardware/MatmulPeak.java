package dev.moe4j.tensor.hardware;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;

/** The fastest matrix product that this process reaches: what useful work is measured against. A figure for people: no result may depend on it. */
public final class MatmulPeak {

    private static final int SIZE = 1024;
    /** Of the matrices that tell whether larger ones would take too long. */
    private static final int SMALL = 256;

    private static final double LONGEST_SECONDS = 1;
    private static final int LEAST_REPETITIONS = 10;
    private static final long LEAST_NANOSECONDS = 100_000_000;

    private MatmulPeak() {}

    /**
     * Multiplies square matrices of 1024 for a tenth of a second at least and takes the fastest; matrices of 256 where
     * one product of 1024 would take more than a second, as in bfloat16 on processors without AVX-512.
     *
     * @return floating-point operations per second
     */
    public static double measure(DType dtype, Device device) {
        double small = measure(SMALL, SMALL, SMALL, dtype, device);
        double seconds = 2.0 * SIZE * SIZE * SIZE / small;
        return seconds > LONGEST_SECONDS ? small : measure(SIZE, SIZE, SIZE, dtype, device);
    }

    /** The fastest of several products {@code [rows, inner] · [inner, columns]}, in operations per second. */
    public static double measure(int rows, int inner, int columns, DType dtype, Device device) {
        try (Scope _ = Scope.open()) {
            Tensor a = random(dtype, device, rows, inner, 1);
            Tensor b = random(dtype, device, inner, columns, 2);
            Tensor out = Tensor.empty(dtype, device, rows, columns);
            out.setToProduct(a, b);
            long best = Long.MAX_VALUE;
            long begin = System.nanoTime();
            for (int i = 0; i < LEAST_REPETITIONS || System.nanoTime() - begin < LEAST_NANOSECONDS; i++) {
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
