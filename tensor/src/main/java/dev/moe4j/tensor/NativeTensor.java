package dev.moe4j.tensor;

/**
 * The way from a {@link Tensor} to libtorch's own, for the one module above this that hands tensors to libtorch:
 * {@code parallel}, whose collectives read and write them. The tensor stays its scope's; libtorch counts the references
 * of a collective that runs, so that its memory outlives the scope where it must.
 */
public final class NativeTensor {

    private NativeTensor() {}

    /** The tensor's handle; never close it. */
    public static org.bytedeco.pytorch.Tensor of(Tensor tensor) {
        return tensor.handle();
    }
}
