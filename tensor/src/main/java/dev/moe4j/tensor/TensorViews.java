package dev.moe4j.tensor;

/** A tensor's elements, or some of them, in another shape or order: nothing here computes with them. */
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

    /** {@code length} entries of dimension {@code dim} from {@code start} on, as a view. */
    public Tensor narrow(int dim, long start, long length) {
        return op("narrow", () -> handle().narrow(dim, start, length), this);
    }

    /** Entry {@code index} of dimension {@code dim}, which disappears; a view. */
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

    /** Rows (entries of {@code dim}) in the order of {@code index}, a vector of int64. */
    public Tensor indexSelect(int dim, Tensor index) {
        return op("index_select", () -> handle().index_select(dim, index.handle()), this, index);
    }

    public Tensor gather(int dim, Tensor index) {
        return op("gather", () -> handle().gather(dim, index.handle()), this, index);
    }
}
