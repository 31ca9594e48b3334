package dev.moe4j.bench;

import dev.moe4j.tensor.DType;
import java.util.Locale;

/** The names under which precisions are given and told. */
public final class DTypes {
    private DTypes() {}

    /** As in {@code bf16}. */
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
