package dev.moe4j.tensor;

/** The operators that select, reshape or reorder a tensor's elements without computing on them. */
abstract sealed class TensorViews extends TensorBase permits Tensor {

    TensorViews(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
    }

    public Tensor view(long... sizes) {
        return op("view", () -> handle().view(sizes), this);
    }

    public Tensor reshape(long... sizes) {
        return op("reshape", () -> handle().reshape(sizes), this);
    }

    public Tensor permute(long... dims) {
        return op("permute", () -> handle().permute(dims), this);
    }

    public Tensor transpose(int first, int second) {
        return op("transpose", () -> handle().transpose(first, second), this);
    }

    /** The transpose of a matrix, as a view. */
    public Tensor t() {
        return op("t", () -> handle().t(), this);
    }

    /** A view of {@code length} slices of dimension {@code dim}, from {@code start} on. */
    public Tensor narrow(int dim, long start, long length) {
        return op("narrow", () -> handle().narrow(dim, start, length), this);
    }

    /** A view of slice {@code index} of dimension {@code dim}; the view lacks this dimension. */
    public Tensor select(int dim, long index) {
        return op("select", () -> handle().select(dim, index), this);
    }

    public Tensor unsqueeze(int dim) {
        return op("unsqueeze", () -> handle().unsqueeze(dim), this);
    }

    public Tensor squeeze(int dim) {
        return op("squeeze", () -> handle().squeeze(dim), this);
    }

    public Tensor expand(long... sizes) {
        return op("expand", () -> handle().expand(sizes), this);
    }

    public Tensor contiguous() {
        return op("contiguous", () -> handle().contiguous(), this);
    }

    public Tensor copy() {
        return op("clone", () -> handle().clone(), this);
    }

    /**
     * A copy of the slices of dimension {@code dim} at the given positions.
     *
     * @param index {@code [slices]} int64
     */
    public Tensor indexSelect(int dim, Tensor index) {
        return op("index_select", () -> handle().index_select(dim, index.handle()), this, index);
    }

    public Tensor gather(int dim, Tensor index) {
        return op("gather", () -> handle().gather(dim, index.handle()), this, index);
    }
}
