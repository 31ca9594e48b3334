package dev.moe4j.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * The base of {@link Tensor}, without operators: native handle, owning scope, type, shape and device, and reading elements
 * into Java. libtorch has the same division.
 */
abstract sealed class TensorBase implements AutoCloseable permits TensorViews {

    private static final LongAdder HOST_READS = new LongAdder();

    private final org.bytedeco.pytorch.Tensor handle;
    private @Nullable Scope owner;
    private long @Nullable [] shape;
    private @Nullable DType dtype;

    TensorBase(org.bytedeco.pytorch.Tensor handle) {
        this.handle = handle;
    }

    // Properties

    /** The size of each dimension. Do not modify the array. */
    public long[] shape() {
        long[] known = shape;
        if (known == null) {
            known = new long[(int) handle().dim()];
            for (int i = 0; i < known.length; i++) {
                known[i] = handle().size(i);
            }
            shape = known;
        }
        return known;
    }

    /** The size of dimension {@code dim}; −1 is the last dimension. */
    public long size(int dim) {
        long[] sizes = shape();
        return sizes[dim < 0 ? dim + sizes.length : dim];
    }

    public DType dtype() {
        DType known = dtype;
        if (known == null) {
            known = DType.of(handle().scalar_type());
            dtype = known;
        }
        return known;
    }

    public Device device() {
        if (!handle().is_cuda()) {
            return Device.CPU;
        }
        try (org.bytedeco.pytorch.Device where = handle().device()) {
            return new Device(Device.Kind.CUDA, where.index());
        }
    }

    public long elements() {
        long product = 1;
        for (long size : shape()) {
            product *= size;
        }
        return product;
    }

    /** The number of elements times the bytes of an element, also for a view. */
    public long bytes() {
        return elements() * dtype().bytes();
    }

    /** Whether the elements are stored in row-major order without gaps. */
    public boolean isContiguous() {
        return handle().is_contiguous();
    }

    /** Type and shape for messages, such as {@code float32[4, 16]}. */
    public String describe() {
        return dtype().name().toLowerCase(Locale.ROOT) + Arrays.toString(shape());
    }

    @Override
    public String toString() {
        return describe();
    }

    // Reading

    /**
     * The number of reads to the host so far, over all threads. On CUDA each read synchronizes with the device. Reads of
     * CPU tensors count too, so that tests can detect synchronization without a GPU.
     */
    public static long hostReads() {
        return HOST_READS.sum();
    }

    /**
     * The only element.
     *
     * @throws TensorException if the tensor does not have exactly one element
     */
    public double item() {
        hostRead();
        try {
            return handle().item_double();
        } catch (RuntimeException e) {
            throw TensorException.of("item", e, this);
        }
    }

    /** The elements in row-major order, copied to the Java heap. */
    public double[] toDoubles() {
        try (Scope _ = Scope.open()) {
            return onHost(DType.FLOAT64).memory().toArray(ValueLayout.JAVA_DOUBLE);
        }
    }

    /** The elements in row-major order, copied to the Java heap. */
    public float[] toFloats() {
        try (Scope _ = Scope.open()) {
            return onHost(DType.FLOAT32).memory().toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** The elements in row-major order, copied to the Java heap. */
    public long[] toLongs() {
        try (Scope _ = Scope.open()) {
            return onHost(DType.INT64).memory().toArray(ValueLayout.JAVA_LONG);
        }
    }

    /** A contiguous tensor of these values on the CPU, for {@link #memory}. It may share this tensor's memory. */
    public Tensor toHost() {
        hostRead();
        return op("cpu", () -> handle().cpu(), this).contiguous();
    }

    private Tensor onHost(DType type) {
        return toHost().to(type);
    }

    static void hostRead() {
        HOST_READS.increment();
    }

    /**
     * The memory of this tensor, valid until the tensor is closed.
     *
     * @throws TensorException unless the tensor is contiguous and on the CPU
     */
    public MemorySegment memory() {
        if (handle().is_cuda() || !handle().is_contiguous()) {
            throw new TensorException("memory: " + describe() + " is not contiguous on the CPU");
        }
        if (elements() == 0) {
            return MemorySegment.NULL;
        }
        try (Pointer pointer = handle().data_ptr()) {
            return MemorySegment.ofAddress(pointer.address()).reinterpret(bytes());
        }
    }

    /** The device address of the first element; 0 for a tensor without elements. */
    public long address() {
        try (Pointer pointer = handle().data_ptr()) {
            return pointer == null ? 0 : pointer.address();
        }
    }

    // Autograd

    /** Makes this tensor share the memory and shape of {@code other}, also in autograd graphs that refer to this tensor. */
    public void shareMemoryOf(Tensor other) {
        handle().set_data(other.handle());
        shape = null;
    }

    public boolean requiresGradient() {
        return handle().requires_grad();
    }

    // Ownership

    /** Frees the tensor before its scope closes. Later uses throw {@link TensorException}. */
    @Override
    public void close() {
        if (owner != null) {
            owner = null;
            handle.deallocate();
            Scope.released(this);
        }
    }

    /**
     * The native tensor of libtorch.
     *
     * @throws TensorException if this tensor is closed
     */
    public org.bytedeco.pytorch.Tensor handle() {
        if (owner == null) {
            throw new TensorException(
                    "a tensor was used after it was closed; keep its scope, tape, decoder or model open");
        }
        return handle;
    }

    void owner(Scope scope) {
        owner = scope;
    }

    boolean isClosed() {
        return owner == null;
    }

    boolean ownedBy(Scope scope) {
        return owner == scope;
    }

    // Calls

    static Tensor op(String name, Supplier<org.bytedeco.pytorch.Tensor> call, TensorBase... inputs) {
        org.bytedeco.pytorch.Tensor result;
        try {
            result = call.get();
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, inputs);
        }
        return Scope.adopt(result);
    }
}
