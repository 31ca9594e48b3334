package dev.moe4j.tensor;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.pytorch.global.torch;

/**
 * Chooses the library for libtorch's float32 matrix products on the CPU. oneDNN is preferred: it uses the CPU's best
 * instructions and the same threads as all other operations. It needs AVX-512, and its measured error must be small. Else
 * OpenBLAS computes the products.
 */
final class Float32Matmul {

    /**
     * libtorch's precision setting that sends products to oneDNN. It permits rounding to bfloat16, but oneDNN rounds only if
     * it uses bfloat16 tiles (AMX).
     */
    private static final String ONE_DNN = "medium";

    private static final String OPEN_BLAS = "highest";

    private static final double MAX_RELATIVE_ERROR = 1e-5;

    private static volatile boolean oneDnn;

    private Float32Matmul() {}

    /** Makes the choice. Called once, while libtorch is loaded. */
    static synchronized void choose() {
        // On a machine with a GPU, the setting would also round the GPU's float32 products to TF32.
        if (!Loader.getPlatform().endsWith("x86_64")
                || !Libtorch.instructionSet().startsWith("AVX512")
                || Libtorch.cudaDevices() > 0) {
            return;
        }
        setPrecision(ONE_DNN);
        // Tasks on other threads would deadlock here: they would wait for the initialization of Libtorch.
        oneDnn = Libtorch.asOneThread(Float32Matmul::relativeError) <= MAX_RELATIVE_ERROR;
        if (!oneDnn) {
            setPrecision(OPEN_BLAS);
        }
    }

    /** Whether oneDNN computes float32 products. */
    static boolean throughOneDnn() {
        return oneDnn;
    }

    private static void setPrecision(String precision) {
        torch.globalContext().setFloat32MatmulPrecision(precision);
    }

    private static double relativeError() {
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
