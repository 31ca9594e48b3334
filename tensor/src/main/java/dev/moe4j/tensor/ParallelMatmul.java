package dev.moe4j.tensor;

import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.global.torch;

/**
 * Matrix products that OpenBLAS computes on the CPU, partitioned over the operation's threads. OpenBLAS itself always runs
 * on one thread, because its thread count is global to the process and other threads could change it. Instead each thread
 * computes a part of the result. A product therefore does not depend on what other threads do.
 */
final class ParallelMatmul {

    /** Smaller products stay on one thread, because synchronizing the threads would take longer than computing. */
    private static final long MIN_MULTIPLICATIONS = 1L << 20;

    /** Writes {@code a · b} to the result, or adds it to the result. */
    @FunctionalInterface
    private interface Product {
        void compute(Tensor result, Tensor a, Tensor b);
    }

    private ParallelMatmul() {}

    /** Whether {@link #set} computes this product of two matrices faster than libtorch's operator. */
    static boolean handles(Tensor a, Tensor b) {
        if (!byOpenBlas(a)) {
            return false;
        }
        long[] left = a.shape();
        long[] right = b.shape();
        return left.length == 2
                && right.length == 2
                && left[1] == right[0]
                && (left[0] == 1 || partitions(left[0] * left[1] * right[1]));
    }

    /** Writes {@code a · b} to a result {@code [rows, columns]}. */
    static void set(Tensor result, Tensor a, Tensor b) {
        compute(result, a, b, isRow(a) ? ParallelMatmul::setRow : ParallelMatmul::setMatrix);
    }

    /** Adds {@code a · b} to a result {@code [rows, columns]}. */
    static void add(Tensor result, Tensor a, Tensor b) {
        compute(result, a, b, isRow(a) ? ParallelMatmul::addRow : ParallelMatmul::addMatrix);
    }

    /** Writes the batched product {@code a · b} to a result {@code [batch, rows, columns]}. */
    static void setBatch(Tensor result, Tensor a, Tensor b) {
        compute(result, a, b, ParallelMatmul::setMatrices);
    }

    /** Sets a result {@code [batch, rows, columns]} to {@code beta · result + alpha · (a · b)}. */
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
        if (size == 1 || !partitions(result.elements() * a.size(-1))) {
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

    private static boolean partitions(long multiplications) {
        return multiplications >= MIN_MULTIPLICATIONS && Libtorch.threads() > 1 && ParallelTasks.inParallel();
    }

    /** Whether OpenBLAS computes products of this tensor and libtorch does not record an autograd graph. */
    private static boolean byOpenBlas(Tensor a) {
        DType type = a.dtype();
        return (type == DType.FLOAT64 || (type == DType.FLOAT32 && !Float32Matmul.throughOneDnn()))
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

    /** Whether {@code a} is a single row. OpenBLAS multiplies a vector faster than a matrix of one row (docs/log.md). */
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
