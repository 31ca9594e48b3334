package dev.moe4j.tensor;

import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;

/**
 * Products that OpenBLAS computes on the CPU, divided among the threads that the operation may use. OpenBLAS has one
 * number of threads for the whole process. It is 1, always, so that a product does not depend on what other threads do.
 * The parts of a result are computed in parallel.
 */
final class DividedProducts {

    /** The fewest multiplications that are divided. With fewer, threads take longer to meet than to compute. */
    private static final long LEAST = 1L << 20;

    /** Writes {@code a · b} to a result, or adds it. */
    @FunctionalInterface
    private interface Product {
        void compute(Tensor result, Tensor a, Tensor b);
    }

    private DividedProducts() {}

    /** Whether {@link #set} is faster than an operator that allocates its result, for matrices. */
    static boolean suit(Tensor a, Tensor b) {
        if (!byOpenBlas(a)) {
            return false;
        }
        long[] left = a.shape();
        long[] right = b.shape();
        return left.length == 2
                && right.length == 2
                && left[1] == right[0]
                && (left[0] == 1 || divides(left[0] * left[1] * right[1]));
    }

    /** Writes {@code a · b} to a result {@code [rows, columns]}. */
    static void set(Tensor result, Tensor a, Tensor b) {
        compute(result, a, b, isRow(a) ? DividedProducts::setRow : DividedProducts::setMatrix);
    }

    /** Adds {@code a · b} to a result {@code [rows, columns]}. */
    static void add(Tensor result, Tensor a, Tensor b) {
        compute(result, a, b, isRow(a) ? DividedProducts::addRow : DividedProducts::addMatrix);
    }

    /** Writes the products of as many matrices to a result {@code [batch, rows, columns]}. */
    static void setBatch(Tensor result, Tensor a, Tensor b) {
        compute(result, a, b, DividedProducts::setMatrices);
    }

    /** Replaces a result {@code [batch, rows, columns]} by {@code beta} times itself and {@code alpha} times products. */
    static void addBatch(Tensor result, Tensor a, Tensor b, double beta, double alpha) {
        compute(result, a, b, (part, left, right) -> addMatrices(part, left, right, beta, alpha));
    }

    private static void compute(Tensor result, Tensor a, Tensor b, Product product) {
        if (Libtorch.threads() == 1 || !byOpenBlas(a) || !fit(result.shape(), a.shape(), b.shape())) {
            product.compute(result, a, b);
            return;
        }
        boolean batch = result.shape().length == 3;
        int dim = batch || result.size(0) >= result.size(1) ? 0 : 1;
        long size = result.size(dim);
        if (size == 1 || !divides(result.elements() * a.size(-1))) {
            product.compute(result, a, b);
            return;
        }
        long part = Math.ceilDiv(size, Libtorch.threads());
        ParallelTasks.run((int) Math.ceilDiv(size, part), i -> {
            long from = i * part;
            long n = Math.min(part, size - from);
            product.compute(
                    result.narrow(dim, from, n),
                    dim == 0 ? a.narrow(0, from, n) : a,
                    batch || dim == 1 ? b.narrow(dim, from, n) : b);
        });
    }

    private static boolean divides(long multiplications) {
        return multiplications >= LEAST && Libtorch.threads() > 1 && ParallelTasks.inParallel();
    }

    /** Whether OpenBLAS computes products of this tensor, and no graph is recorded. */
    private static boolean byOpenBlas(Tensor a) {
        DType type = a.dtype();
        return (type == DType.FLOAT64 || (type == DType.FLOAT32 && !Float32Products.throughOneDnn()))
                && !a.device().isCuda()
                && !GradMode.is_enabled();
    }

    private static boolean fit(long[] result, long[] a, long[] b) {
        int n = result.length;
        if (n < 2 || n > 3 || a.length != n || b.length != n) {
            return false;
        }
        boolean sameBatch = n == 2 || (a[0] == result[0] && b[0] == result[0]);
        return sameBatch && a[n - 2] == result[n - 2] && a[n - 1] == b[n - 2] && b[n - 1] == result[n - 1];
    }

    /** Whether {@code a} is one row, which OpenBLAS multiplies faster as a vector (docs/log.md). */
    private static boolean isRow(Tensor a) {
        return a.size(0) == 1 && byOpenBlas(a);
    }

    private static void setMatrix(Tensor result, Tensor a, Tensor b) {
        result.inPlace("mm", () -> torch.mm_out(result.handle(), a.handle(), b.handle()), a, b, result);
    }

    private static void addMatrix(Tensor result, Tensor a, Tensor b) {
        result.inPlace("addmm_", () -> result.handle().addmm_(a.handle(), b.handle()), a, b, result);
    }

    private static void setRow(Tensor result, Tensor a, Tensor b) {
        Tensor y = result.select(0, 0);
        Tensor x = a.select(0, 0);
        Tensor matrix = b.t();
        y.inPlace("mv", () -> torch.mv_out(y.handle(), matrix.handle(), x.handle()), matrix, x, y);
    }

    private static void addRow(Tensor result, Tensor a, Tensor b) {
        Tensor y = result.select(0, 0);
        Tensor x = a.select(0, 0);
        Tensor matrix = b.t();
        y.inPlace("addmv_", () -> y.handle().addmv_(matrix.handle(), x.handle()), matrix, x, y);
    }

    private static void setMatrices(Tensor result, Tensor a, Tensor b) {
        result.inPlace("bmm", () -> torch.bmm_out(result.handle(), a.handle(), b.handle()), a, b, result);
    }

    private static void addMatrices(Tensor result, Tensor a, Tensor b, double beta, double alpha) {
        try (Scalar ofResult = new Scalar(beta);
                Scalar ofProduct = new Scalar(alpha)) {
            result.inPlace(
                    "baddbmm_",
                    () -> torch.baddbmm_out(
                            result.handle(), result.handle(), a.handle(), b.handle(), ofResult, ofProduct),
                    a,
                    b,
                    result);
        }
    }
}
