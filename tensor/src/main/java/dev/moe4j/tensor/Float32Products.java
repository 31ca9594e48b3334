package dev.moe4j.tensor;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;

/**
 * Who multiplies libtorch's products in float32 on the CPU: oneDNN where the CPU has AVX-512 and the error allows it, since it
 * follows the CPU's instructions and waits with the threads that all operations have; else OpenBLAS.
 */
final class Float32Products {

    /** What sends products to oneDNN, by allowing it to round to bfloat16, which it does with bfloat16 tiles (AMX) only. */
    private static final String ONE_DNN = "medium";

    private static final String OPEN_BLAS = "highest";

    private static final double LARGEST_ERROR = 1e-5;

    private static volatile boolean oneDnn;

    private Float32Products() {}

    /** Decides, once, when libtorch is loaded. */
    static synchronized void settle() {
        // Where there is a GPU, this would also round its single-precision products to TF32.
        if (!Loader.getPlatform().endsWith("x86_64")
                || !Libtorch.instructionSet().startsWith("AVX512")
                || Libtorch.cudaDevices() > 0) {
            return;
        }
        send(ONE_DNN);
        // On one thread: other threads would wait until Libtorch is initialised.
        oneDnn = Libtorch.asOneThread(Float32Products::error) <= LARGEST_ERROR;
        if (!oneDnn) {
            send(OPEN_BLAS);
        }
    }

    /** Whether oneDNN computes them. */
    static boolean throughOneDnn() {
        return oneDnn;
    }

    private static void send(String precision) {
        torch.globalContext().setFloat32MatmulPrecision(precision);
    }

    private static double error() {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FLOAT64, Device.CPU, 256, 256);
            Tensor b = Tensor.zeros(DType.FLOAT64, Device.CPU, 256, 256);
            new RandomKey(1).fillUniform(a, -1, 1);
            new RandomKey(2).fillUniform(b, -1, 1);
            Tensor exact = a.to(DType.FLOAT32)
                    .to(DType.FLOAT64)
                    .matmul(b.to(DType.FLOAT32).to(DType.FLOAT64));
            Tensor single = a.to(DType.FLOAT32).matmul(b.to(DType.FLOAT32)).to(DType.FLOAT64);
            return single.sub(exact).norm() / exact.norm();
        }
    }
}
