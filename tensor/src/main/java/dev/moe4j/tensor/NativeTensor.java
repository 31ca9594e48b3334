package dev.moe4j.tensor;

/**
 * Gives the native handle of a {@link Tensor} to the module {@code parallel}, whose collectives call libtorch directly. The
 * scope still owns the tensor. libtorch counts references, so the memory lives until a running collective has ended.
 */
public final class NativeTensor {

    private NativeTensor() {}

    /** The tensor's handle; never close it. */
    public static org.bytedeco.pytorch.Tensor of(Tensor tensor) {
        return tensor.handle();
    }
}
