package dev.moe4j.tensor;

import java.util.Locale;

/**
 * The element types of a training run.
 *
 * @param master parameters as the optimizer sees them, and its moments
 * @param compute parameters and activations in the products of forward and backward
 * @param accumulate gradients, summed over micro-batches
 * @param wire what travels between processes
 */
public record Precision(DType master, DType compute, DType accumulate, DType wire) {

    /** Double precision throughout, for comparison with reference vectors. */
    public static final Precision FP64 = new Precision(DType.FLOAT64, DType.FLOAT64, DType.FLOAT64, DType.FLOAT64);

    public static final Precision FP32 = new Precision(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32, DType.FLOAT32);

    /** Products in bfloat16 over a float32 master. */
    public static final Precision BF16 = new Precision(DType.FLOAT32, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT32);

    /**
     * Parses {@code fp64}, {@code fp32} or {@code bf16}.
     *
     * @throws TensorException if the text names none of them
     */
    public static Precision parse(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "fp64" -> FP64;
            case "fp32" -> FP32;
            case "bf16" -> BF16;
            default -> throw new TensorException("precision '" + text + "' is unknown: use bf16, fp32 or fp64");
        };
    }

    /** The type of softmax, router and loss: the compute type, but float32 at least. */
    public DType stable() {
        return compute == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }

    /** The same run with parameters that stay in the master's type in the products: the router's. */
    public Precision computingInMaster() {
        return new Precision(master, master, accumulate, wire);
    }
}
