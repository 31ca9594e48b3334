package dev.moe4j.tensor;

import java.util.Locale;

/**
 * The element types of a training run. In mixed precision (Micikevicius et al. 2018) forward and backward passes compute
 * in 16 bits, and the optimizer updates master weights in float32.
 *
 * @param master type of the master weights and of the optimizer's moments
 * @param compute type of the working copies of parameters, and of activations and matrix products
 * @param accumulate type of parameters' gradients: for gradient accumulation over micro-batches and for the reduction
 *     over data-parallel processes
 */
public record Precision(DType master, DType compute, DType accumulate) {

    /** Double precision throughout, for comparison with reference vectors. */
    public static final Precision FP64 = new Precision(DType.FLOAT64, DType.FLOAT64, DType.FLOAT64);

    public static final Precision FP32 = new Precision(DType.FLOAT32, DType.FLOAT32, DType.FLOAT32);

    /** Mixed precision: computes in bfloat16, with float32 master weights and gradients. */
    public static final Precision BF16 = new Precision(DType.FLOAT32, DType.BFLOAT16, DType.FLOAT32);

    /**
     * Mixed precision: computes in float16, with float32 master weights and gradients. It needs loss scaling: many
     * gradients would otherwise underflow in float16.
     */
    public static final Precision FP16 = new Precision(DType.FLOAT32, DType.FLOAT16, DType.FLOAT32);

    /**
     * Parses {@code fp64}, {@code fp32}, {@code bf16} or {@code fp16}, in any case.
     *
     * @throws TensorException if the text is a different one
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

    /** The name that {@link #parse} reads, such as {@code bf16}. */
    public String name() {
        return switch (compute) {
            case FLOAT64 -> "fp64";
            case FLOAT32 -> "fp32";
            case BFLOAT16 -> "bf16";
            case FLOAT16 -> "fp16";
            default -> throw new TensorException("no precision computes in " + compute);
        };
    }

    /** The type of softmax, router and loss: float64 if the compute type is float64, else float32. */
    public DType stable() {
        return compute == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }

    /** This precision with the master type as the compute type, such as for the router's parameters. */
    public Precision computingInMaster() {
        return new Precision(master, master, accumulate);
    }
}
