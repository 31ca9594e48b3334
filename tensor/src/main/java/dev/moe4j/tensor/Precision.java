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

    /** Products in float16 over a float32 master; gradients need a scaled loss, or many are too small for it. */
    public static final Precision FP16 = new Precision(DType.FLOAT32, DType.FLOAT16, DType.FLOAT32, DType.FLOAT32);

    /**
     * Parses {@code fp64}, {@code fp32}, {@code bf16} or {@code fp16}.
     *
     * @throws TensorException if the text names none of them
     */
    public static Precision parse(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "fp64" -> FP64;
            case "fp32" -> FP32;
            case "bf16" -> BF16;
            case "fp16" -> FP16;
            default -> throw new TensorException("precision '" + text + "' is unknown: use bf16, fp16, fp32 or fp64");
        };
    }

    /** The name that {@link #parse} knows, which the compute type gives. */
    public String name() {
        return switch (compute) {
            case FLOAT64 -> "fp64";
            case FLOAT32 -> "fp32";
            case BFLOAT16 -> "bf16";
            case FLOAT16 -> "fp16";
            default -> throw new TensorException("no precision computes in " + compute);
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
