package dev.moe4j.tensor;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** OpenBLAS's functions, by their names in the C interface of BLAS. */
final class OpenBlas {

    /** What that interface calls matrices whose rows are contiguous, and matrices that are to be transposed or not. */
    private static final int ROW_MAJOR = 101;

    private static final int AS_IT_IS = 111;
    private static final int TRANSPOSED = 112;

    private static final @Nullable MethodHandle SGEMM = NativeThreads.find(
            "cblas_sgemm",
            FunctionDescriptor.ofVoid(
                    // The order of all, a and b transposed or not.
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    // Rows and columns of c, columns of a.
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    // Alpha, a, its stride, b, its stride.
                    JAVA_FLOAT,
                    ADDRESS,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_INT,
                    // Beta, c, its stride.
                    JAVA_FLOAT,
                    ADDRESS,
                    JAVA_INT));

    private static final @Nullable MethodHandle SGEMV = NativeThreads.find(
            "cblas_sgemv",
            FunctionDescriptor.ofVoid(
                    // The order of a, transposed or not.
                    JAVA_INT,
                    JAVA_INT,
                    // Its rows and columns in memory.
                    JAVA_INT,
                    JAVA_INT,
                    // Alpha, a, its stride, x, its stride.
                    JAVA_FLOAT,
                    ADDRESS,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_INT,
                    // Beta, y, its stride.
                    JAVA_FLOAT,
                    ADDRESS,
                    JAVA_INT));

    private OpenBlas() {}

    /** Whether it is loaded: a machine's own libtorch may multiply by another library. */
    static boolean available() {
        return SGEMM != null && SGEMV != null;
    }

    /** c = a · b + {@code kept} · c, whose shapes must fit. */
    static void multiply(FloatMatrix a, FloatMatrix b, float kept, FloatMatrix c) {
        try {
            Objects.requireNonNull(SGEMM)
                    .invokeExact(
                            ROW_MAJOR,
                            order(a),
                            order(b),
                            c.rows(),
                            c.columns(),
                            a.columns(),
                            1f,
                            a.memory(),
                            a.stride(),
                            b.memory(),
                            b.stride(),
                            kept,
                            c.memory(),
                            c.stride());
        } catch (Throwable e) {
            throw new TensorException("cannot multiply by OpenBLAS", e);
        }
    }

    /** y = a · x + {@code kept} · y with a row x of as many elements as {@code a} has columns, and a row y. */
    static void multiplyVector(FloatMatrix a, FloatMatrix x, float kept, FloatMatrix y) {
        boolean transposed = a.transposed();
        try {
            Objects.requireNonNull(SGEMV)
                    .invokeExact(
                            ROW_MAJOR,
                            order(a),
                            transposed ? a.columns() : a.rows(),
                            transposed ? a.rows() : a.columns(),
                            1f,
                            a.memory(),
                            a.stride(),
                            x.memory(),
                            1,
                            kept,
                            y.memory(),
                            1);
        } catch (Throwable e) {
            throw new TensorException("cannot multiply by OpenBLAS", e);
        }
    }

    private static int order(FloatMatrix matrix) {
        return matrix.transposed() ? TRANSPOSED : AS_IT_IS;
    }
}
