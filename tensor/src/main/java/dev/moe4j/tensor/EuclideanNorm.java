package dev.moe4j.tensor;

import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;

/**
 * Computes the Euclidean norm of a tensor from the norms of short pieces. libtorch's own norm of a float32 vector on a CPU
 * is inexact for long vectors, because it sums all squares in one vector register: the error is 1e-5 of the norm for 2^20
 * elements and 0.5 percent for 2^26. The error also depends on how the vector is sharded over processes.
 */
final class EuclideanNorm {

    /** Short enough for a negligible rounding error in each lane. */
    private static final long PIECE = 8192;

    private EuclideanNorm() {}

    /** The norm as a float64 scalar. */
    static Tensor of(Tensor x) {
        long pieces = x.elements() / PIECE;
        if (pieces < 2 || !x.isContiguous()) {
            return norm(x);
        }
        Tensor flat = x.view(-1);
        Tensor pieces_PN = flat.narrow(0, 0, pieces * PIECE).view(pieces, PIECE);
        Tensor rest = flat.narrow(0, pieces * PIECE, x.elements() - pieces * PIECE);
        return norm(
                Tensor.concat(0, ofRows(pieces_PN).to(DType.FLOAT64), norm(rest).view(1)));
    }

    private static Tensor norm(Tensor x) {
        return TensorBase.op("norm", () -> x.handle().norm(), x).to(DType.FLOAT64);
    }

    private static Tensor ofRows(Tensor x_PN) {
        try (Scalar two = new Scalar(2.0);
                ScalarOptional power = new ScalarOptional(two)) {
            return TensorBase.op("norm", () -> x_PN.handle().norm(power, 1), x_PN);
        }
    }
}
