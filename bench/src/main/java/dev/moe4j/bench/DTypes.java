package dev.moe4j.bench;

import dev.moe4j.tensor.DType;
import java.util.Locale;

/** The names of element types in options and output. */
public final class DTypes {
    private DTypes() {}

    /** The short name, such as {@code bf16}. */
    public static String name(DType dtype) {
        return switch (dtype) {
            case FLOAT64 -> "fp64";
            case FLOAT32 -> "fp32";
            case BFLOAT16 -> "bf16";
            case FLOAT16 -> "fp16";
            default -> dtype.name().toLowerCase(Locale.ROOT);
        };
    }
}
