package dev.moe4j.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.Supplier;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarTypeOptional;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * A libtorch tensor: an n-dimensional array on a {@link Device}, owned by a {@link Scope}. This class creates tensors
 * and has the general operators: views, copies, element-wise arithmetic, reductions and matrix products. {@link Functions}
 * has the operators of neural networks.
 *
 * <p>Methods whose name ends in {@code InPlace} change the tensor, and so do {@code copy(Tensor)}, {@code fill} and
 * {@code zero}. All others return a tensor that belongs to the innermost open scope. A view shares memory with its source.
 *
 * <p>Operators throw {@link TensorException} if shapes, types or devices do not fit.
 */
public final class Tensor extends TensorViews {

    /** Tensors up to this size are copied to a GPU through pinned memory, so that the host does not wait for the copy. */
    private static final long MAX_PINNED_BYTES = 1 << 24;

    Tensor(org.bytedeco.pytorch.Tensor handle) {
        super(handle);
    }

    // Creation

    /** An uninitialised tensor: write every element before reading it. */
    public static Tensor empty(DType dtype, Device device, long... shape) {
        try (org.bytedeco.pytorch.Device where = device.handle();
                var optional = new org.bytedeco.pytorch.DeviceOptional(where);
                TensorOptions typed = new TensorOptions(dtype.scalarType());
                TensorOptions options = typed.device(optional);
                var format = new org.bytedeco.pytorch.MemoryFormatOptional()) {
            return op("empty " + Arrays.toString(shape), () -> torch.empty(shape, options, format));
        }
    }

    public static Tensor zeros(DType dtype, Device device, long... shape) {
        return empty(dtype, device, shape).zero();
    }

    public static Tensor full(double value, DType dtype, Device device, long... shape) {
        return empty(dtype, device, shape).fill(value);
    }

    /** [values.length], int64, on the CPU. */
    public static Tensor of(long... values) {
        Tensor tensor = empty(DType.INT64, Device.CPU, values.length);
        MemorySegment.copy(values, 0, tensor.memory(), ValueLayout.JAVA_LONG, 0, values.length);
        return tensor;
    }

    /** [values.length], int32, on the CPU. */
    public static Tensor of(int... values) {
        Tensor tensor = empty(DType.INT32, Device.CPU, values.length);
        MemorySegment.copy(values, 0, tensor.memory(), ValueLayout.JAVA_INT, 0, values.length);
        return tensor;
    }

    /** [values.length], float32, on the CPU. */
    public static Tensor of(float... values) {
        Tensor tensor = empty(DType.FLOAT32, Device.CPU, values.length);
        MemorySegment.copy(values, 0, tensor.memory(), ValueLayout.JAVA_FLOAT, 0, values.length);
        return tensor;
    }

    /** [values.length], float64, on the CPU. */
    public static Tensor of(double... values) {
        Tensor tensor = empty(DType.FLOAT64, Device.CPU, values.length);
        MemorySegment.copy(values, 0, tensor.memory(), ValueLayout.JAVA_DOUBLE, 0, values.length);
        return tensor;
    }

    /**
     * A copy of elements in native memory.
     *
     * @param source the elements in row-major order and native byte order
     * @throws TensorException if the size of {@code source} does not fit the type and shape
     */
    public static Tensor copyOf(MemorySegment source, DType dtype, Device device, long... shape) {
        Tensor host = empty(dtype, Device.CPU, shape);
        if (source.byteSize() != host.bytes()) {
            throw new TensorException("copyOf: " + source.byteSize() + " bytes given for " + host.describe()
                    + ", which has " + host.bytes());
        }
        host.memory().copyFrom(source);
        return host.to(device);
    }

    /** 0, 1, …, count − 1 as int64. */
    public static Tensor arange(long count, Device device) {
        Tensor tensor = empty(DType.INT64, device, count);
        try (Scalar end = new Scalar(count)) {
            torch.arange_out(tensor.handle(), end);
        } catch (RuntimeException e) {
            throw TensorException.of("arange", e, tensor);
        }
        return tensor;
    }

    /** Concatenates tensors along dimension {@code dim}. */
    public static Tensor concat(int dim, Tensor... parts) {
        try (org.bytedeco.pytorch.TensorVector vector = Functions.vector(parts)) {
            return op("cat", () -> torch.cat(vector, dim), parts);
        }
    }

    /** An uninitialised tensor of the same shape, type and device. */
    public Tensor emptyLike() {
        return empty(dtype(), device(), shape());
    }

    // Type and device

    /** This tensor converted to the given type; this object if it has that type already. */
    public Tensor to(DType type) {
        return dtype() == type ? this : op("to", () -> handle().to(type.scalarType()), this);
    }

    /** This tensor copied to the given device; this object if it is there already. */
    public Tensor to(Device target) {
        if (device().equals(target)) {
            return this;
        }
        if (!target.isCuda()) {
            hostRead();
        }
        boolean pins = target.isCuda() && !handle().is_cuda() && bytes() <= MAX_PINNED_BYTES;
        // The copy may outlive this tensor: libtorch frees pinned memory only after the copy has ended.
        Tensor source = pins ? op("pin_memory", () -> handle().pin_memory(), this) : this;
        try (org.bytedeco.pytorch.Device where = target.handle();
                var format = new org.bytedeco.pytorch.MemoryFormatOptional()) {
            return op("to", () -> source.handle().to(where, dtype().scalarType(), pins, false, format), this);
        }
    }

    // Writing

    /** Overwrites this tensor with {@code source}, converted to this tensor's type and device; returns this. */
    public Tensor copy(Tensor source) {
        if (source.handle().is_cuda() && !handle().is_cuda()) {
            hostRead();
        }
        return inPlace("copy_", () -> handle().copy_(source.handle()), this, source);
    }

    public Tensor zero() {
        return inPlace("zero_", () -> handle().zero_(), this);
    }

    public Tensor fill(double value) {
        try (Scalar scalar = scalar(value)) {
            return inPlace("fill_", () -> handle().fill_(scalar), this);
        }
    }

    public Tensor addInPlace(Tensor other) {
        return inPlace("add_", () -> handle().add_(other.handle()), this, other);
    }

    /** Adds {@code factor · other} to this tensor. */
    public Tensor addInPlace(Tensor other, double factor) {
        try (Scalar scalar = scalar(factor)) {
            return inPlace("add_", () -> handle().add_(other.handle(), scalar), this, other);
        }
    }

    public Tensor subInPlace(Tensor other) {
        return inPlace("sub_", () -> handle().sub_(other.handle()), this, other);
    }

    public Tensor mulInPlace(Tensor other) {
        return inPlace("mul_", () -> handle().mul_(other.handle()), this, other);
    }

    /** Adds {@code factor · a · b}, elementwise, in one pass. */
    public Tensor addProductOfElements(Tensor a, Tensor b, double factor) {
        try (Scalar scalar = scalar(factor)) {
            return inPlace("addcmul_", () -> handle().addcmul_(a.handle(), b.handle(), scalar), this, a, b);
        }
    }

    /** Writes {@code a · b}, elementwise; returns this tensor. */
    public Tensor setToProductOfElements(Tensor a, Tensor b) {
        return inPlace("mul", () -> torch.mul_out(handle(), a.handle(), b.handle()), this, a, b);
    }

    public Tensor mulInPlace(double factor) {
        try (Scalar scalar = scalar(factor)) {
            return inPlace("mul_", () -> handle().mul_(scalar), this);
        }
    }

    // Arithmetic

    public Tensor add(Tensor other) {
        return op("add", () -> handle().add(other.handle()), this, other);
    }

    public Tensor add(double value) {
        try (Scalar scalar = scalar(value)) {
            return op("add", () -> handle().add(scalar), this);
        }
    }

    public Tensor sub(Tensor other) {
        return op("sub", () -> handle().sub(other.handle()), this, other);
    }

    public Tensor mul(Tensor other) {
        return op("mul", () -> handle().mul(other.handle()), this, other);
    }

    public Tensor mul(double factor) {
        try (Scalar scalar = scalar(factor)) {
            return op("mul", () -> handle().mul(scalar), this);
        }
    }

    public Tensor div(Tensor other) {
        return op("div", () -> handle().div(other.handle()), this, other);
    }

    /** The integer quotient, rounded down. */
    public Tensor floorDivide(long divisor) {
        try (Scalar scalar = new Scalar(divisor)) {
            return op("floor_divide", () -> torch.floor_divide(handle(), scalar), this);
        }
    }

    /** The element-wise maximum of this tensor and a number. */
    public Tensor clampMin(double bound) {
        try (Scalar scalar = scalar(bound)) {
            return op("clamp_min", () -> handle().clamp_min(scalar), this);
        }
    }

    public Tensor clampMax(double bound) {
        try (Scalar scalar = scalar(bound)) {
            return op("clamp_max", () -> handle().clamp_max(scalar), this);
        }
    }

    public Tensor log() {
        return op("log", () -> handle().log(), this);
    }

    public Tensor reciprocal() {
        return op("reciprocal", () -> handle().reciprocal(), this);
    }

    /** 1 / √x. */
    public Tensor rsqrt() {
        return op("rsqrt", () -> handle().rsqrt(), this);
    }

    public Tensor sigmoid() {
        return op("sigmoid", () -> handle().sigmoid(), this);
    }

    public Tensor square() {
        return op("square", () -> handle().square(), this);
    }

    // Comparison

    public Tensor lessThan(double bound) {
        try (Scalar scalar = scalar(bound)) {
            return op("lt", () -> handle().lt(scalar), this);
        }
    }

    public Tensor lessThan(Tensor other) {
        return op("lt", () -> handle().lt(other.handle()), this, other);
    }

    public Tensor not() {
        return op("logical_not", () -> handle().logical_not(), this);
    }

    /** A copy of this tensor with {@code value} wherever the mask is true. */
    public Tensor maskedFill(Tensor mask, double value) {
        try (Scalar scalar = scalar(value)) {
            return op("masked_fill", () -> handle().masked_fill(mask.handle(), scalar), this, mask);
        }
    }

    // Reductions

    public Tensor sum() {
        return op("sum", () -> handle().sum(), this);
    }

    public Tensor sum(int dim) {
        return op("sum", () -> handle().sum(dim), this);
    }

    public Tensor mean() {
        return op("mean", () -> handle().mean(), this);
    }

    public Tensor mean(int dim) {
        return op("mean", () -> handle().mean(dim), this);
    }

    /** The largest element along {@code dim}. */
    public Tensor amax(int dim) {
        return op("amax", () -> handle().amax(new long[] {dim}, false), this);
    }

    /** The int64 index of the largest element along {@code dim}, the first among equal elements. {@code dim} keeps size 1. */
    public Tensor argmax(int dim) {
        try (LongOptional along = new LongOptional(dim)) {
            return op("argmax", () -> handle().argmax(along, true), this);
        }
    }

    /** The cumulative sums along {@code dim}. */
    public Tensor cumulativeSum(int dim) {
        return op("cumsum", () -> handle().cumsum(dim), this);
    }

    /** Whether no element is NaN or infinite. */
    public boolean allFinite() {
        try (Scope _ = Scope.open()) {
            Tensor finite = op("isfinite", () -> handle().isfinite(), this);
            return op("all", () -> finite.handle().all(), finite).item() != 0;
        }
    }

    /** The Euclidean norm over all elements. */
    public double norm() {
        try (Scope _ = Scope.open()) {
            return euclideanNorm().item();
        }
    }

    /** The Euclidean norm over all elements, as a float64 scalar on this tensor's device. */
    public Tensor euclideanNorm() {
        return EuclideanNorm.of(this);
    }

    /** The int64 indices that sort this tensor along {@code dim}. The sort is stable. */
    public Tensor argsortStable(int dim, boolean descending) {
        return op("argsort", () -> torch.argsort(handle(), true, dim, descending), this);
    }

    // Products and selection

    public Tensor matmul(Tensor other) {
        return ParallelMatmul.handles(this, other)
                ? empty(dtype(), device(), size(0), other.size(1)).setToProduct(this, other)
                : op("matmul", () -> torch.matmul(handle(), other.handle()), this, other);
    }

    /** Writes {@code a · b} into this tensor. */
    public Tensor setToProduct(Tensor a, Tensor b) {
        ParallelMatmul.set(this, a, b);
        return this;
    }

    /** Adds {@code a · b} to this tensor. */
    public Tensor addProductInPlace(Tensor a, Tensor b) {
        ParallelMatmul.add(this, a, b);
        return this;
    }

    /**
     * Writes the batched matrix product {@code a · b} into this tensor {@code [batch, rows, columns]}.
     *
     * @param a {@code [batch, rows, inner]}
     * @param b {@code [batch, inner, columns]}
     */
    public Tensor setToBatchProduct(Tensor a, Tensor b) {
        ParallelMatmul.setBatch(this, a, b);
        return this;
    }

    /** Writes {@code factor} times the batched product of {@link #setToBatchProduct(Tensor, Tensor)}. */
    public Tensor setToBatchProduct(Tensor a, Tensor b, double factor) {
        ParallelMatmul.addBatch(this, a, b, 0, factor);
        return this;
    }

    /** Adds {@code factor} times the batched product of {@link #setToBatchProduct(Tensor, Tensor)}. */
    public Tensor addBatchProductInPlace(Tensor a, Tensor b, double factor) {
        ParallelMatmul.addBatch(this, a, b, 1, factor);
        return this;
    }

    /**
     * Overwrites the slices of {@code dim} at the given positions with the slices of {@code source}.
     *
     * @param index {@code [slices]} int64
     */
    public Tensor indexCopyInPlace(int dim, Tensor index, Tensor source) {
        return inPlace(
                "index_copy_", () -> handle().index_copy_(dim, index.handle(), source.handle()), this, index, source);
    }

    /** Adds each element of {@code source} at its {@code index} along {@code dim}. Duplicate indices accumulate. */
    public Tensor scatterAddInPlace(int dim, Tensor index, Tensor source) {
        return inPlace(
                "scatter_add_", () -> handle().scatter_add_(dim, index.handle(), source.handle()), this, index, source);
    }

    public Tensor softmax(int dim) {
        try (ScalarTypeOptional none = new ScalarTypeOptional()) {
            return op("softmax", () -> handle().softmax(dim, none), this);
        }
    }

    public Tensor logSoftmax(int dim) {
        try (ScalarTypeOptional none = new ScalarTypeOptional()) {
            return op("log_softmax", () -> handle().log_softmax(dim, none), this);
        }
    }

    public Tensor logSumExp(int dim) {
        return op("logsumexp", () -> torch.logsumexp(handle(), new long[] {dim}, false), this);
    }

    // Autograd

    /** A tensor of the same values that is detached from libtorch's autograd graph. */
    public Tensor detach() {
        return op("detach", () -> handle().detach(), this);
    }

    public Tensor requireGradient() {
        handle().requires_grad_(true);
        return this;
    }

    // Calls

    /** A scalar of this tensor's kind: a floating-point scalar would promote an integer tensor. */
    private Scalar scalar(double value) {
        return dtype().floating() || value != Math.rint(value) ? new Scalar(value) : new Scalar((long) value);
    }

    /** Calls an in-place operator of libtorch on this tensor. Translates its errors; returns this. */
    // The binding returns this handle or a second handle of the same tensor. Only the second one must be freed.
    @SuppressWarnings("ReferenceEquality")
    public Tensor inPlace(String name, Supplier<org.bytedeco.pytorch.Tensor> call, Tensor... inputs) {
        org.bytedeco.pytorch.Tensor same;
        try {
            same = call.get();
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, inputs);
        }
        if (same != handle()) {
            same.deallocate();
        }
        return this;
    }
}
