package dev.moe4j.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/**
 * A matrix of float32 in the memory of a tensor on the CPU, which OpenBLAS multiplies without libtorch: a small product takes
 * less time than libtorch and oneDNN need before they begin (docs/log.md has the measurement). Parts of it are made
 * without a call. Valid as long as the tensor lives.
 *
 * @param memory from its first element on
 * @param rows those of the transpose, if it is one; so are the columns
 * @param stride elements from one row, or one column of a transpose, to the next
 * @param transposed whether neighbours in memory are neighbours in a column
 */
public record FloatMatrix(MemorySegment memory, int rows, int columns, int stride, boolean transposed) {

    /**
     * Up to so many elements of weights OpenBLAS at once is faster than oneDNN by tensors: docs/log.md has the measurement.
     */
    private static final long SMALL = 1 << 15;

    /** As many ones as a vector that sums so many rows at once. */
    private static final FloatMatrix ONES = ones(1024);

    /**
     * Whether products with weights {@code [..., out, in]} are faster by OpenBLAS at once than by tensors. They need not be
     * there: sections gather what is shared out among processes only when they run.
     */
    public static boolean suits(Parameter weights) {
        List<Long> shape = weights.spec().shape();
        long elements = shape.get(shape.size() - 2) * shape.getLast();
        return weights.tensor().dtype() == DType.FLOAT32
                && !weights.tensor().device().isCuda()
                && OpenBlas.available()
                && (elements <= SMALL || !Float32Products.throughOneDnn());
    }

    /** All of a contiguous tensor, as rows of its last dimension's size. */
    public static FloatMatrix of(Tensor tensor) {
        if (tensor.dtype() != DType.FLOAT32) {
            throw new TensorException("matrix of float32: " + tensor.describe() + " is of another type");
        }
        int columns = Math.toIntExact(tensor.size(-1));
        int rows = columns == 0 ? 0 : Math.toIntExact(tensor.elements() / columns);
        return new FloatMatrix(tensor.memory(), rows, columns, columns, false);
    }

    /** {@code count} rows from {@code start} on, of what is no transpose. */
    public FloatMatrix rows(int start, int count) {
        return part((long) start * stride, start, count, rows, count, columns);
    }

    /** {@code count} columns from {@code start} on, of what is no transpose. */
    public FloatMatrix columns(int start, int count) {
        return part(start, start, count, columns, rows, count);
    }

    private FloatMatrix part(long first, int start, int count, int of, int newRows, int newColumns) {
        if (transposed || start < 0 || count < 0 || start + count > of) {
            throw new TensorException("%d from %d of %s: there are %d".formatted(count, start, describe(), of));
        }
        return new FloatMatrix(memory.asSlice(first * Float.BYTES), newRows, newColumns, stride, false);
    }

    /** The transpose, in the same memory. */
    public FloatMatrix t() {
        return new FloatMatrix(memory, /* rows= */ columns, /* columns= */ rows, stride, !transposed);
    }

    /** Writes {@code a · b} into this matrix. */
    public void setToProduct(FloatMatrix a, FloatMatrix b) {
        multiply(a, b, 0);
    }

    /** Adds {@code a · b} to this matrix. */
    public void addProduct(FloatMatrix a, FloatMatrix b) {
        multiply(a, b, 1);
    }

    /** Writes a row into each of this matrix's. */
    public void fillRows(FloatMatrix row) {
        check(row.rows == 1 && row.columns == columns && !row.transposed && !transposed, row, row);
        for (int i = 0; i < rows; i++) {
            MemorySegment.copy(row.memory, 0, memory, (long) i * stride * Float.BYTES, (long) columns * Float.BYTES);
        }
    }

    /** Writes the sum of a matrix's rows into this row, or adds it. */
    void sumRows(FloatMatrix matrix, boolean add) {
        check(rows == 1 && matrix.columns == columns && !matrix.transposed && !transposed, matrix, matrix);
        for (int start = 0; start < matrix.rows; start += ONES.columns) {
            int count = Math.min(ONES.columns, matrix.rows - start);
            OpenBlas.multiplyVector(
                    matrix.rows(start, count).t(), ONES.columns(0, count), add || start > 0 ? 1 : 0, this);
        }
    }

    /** As a vector where it is one, as {@link Functions#linear(Tensor, Tensor)} does it through libtorch. */
    private void multiply(FloatMatrix a, FloatMatrix b, float kept) {
        check(!transposed && a.rows == rows && a.columns == b.rows && b.columns == columns, a, b);
        if (rows == 1 && !a.transposed) {
            OpenBlas.multiplyVector(b.t(), a, kept, this);
        } else {
            OpenBlas.multiply(a, b, kept, this);
        }
    }

    private void check(boolean fits, FloatMatrix a, FloatMatrix b) {
        if (!fits) {
            throw new TensorException("%s and %s do not fit into %s".formatted(a.describe(), b.describe(), describe()));
        }
    }

    private String describe() {
        return "%s[%d, %d]".formatted(transposed ? "a transpose " : "", rows, columns);
    }

    private static FloatMatrix ones(int count) {
        MemorySegment memory = Arena.global().allocate(ValueLayout.JAVA_FLOAT, count);
        for (int i = 0; i < count; i++) {
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1);
        }
        return new FloatMatrix(memory, 1, count, count, false);
    }
}
