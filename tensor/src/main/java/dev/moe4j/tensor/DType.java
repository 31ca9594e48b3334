package dev.moe4j.tensor;

import org.bytedeco.pytorch.global.torch.ScalarType;

/** The element type of a tensor. */
public enum DType {
    FLOAT64(8, true, ScalarType.Double),
    FLOAT32(4, true, ScalarType.Float),
    BFLOAT16(2, true, ScalarType.BFloat16),
    FLOAT16(2, true, ScalarType.Half),
    INT64(8, false, ScalarType.Long),
    INT32(4, false, ScalarType.Int),
    UINT8(1, false, ScalarType.Byte),
    BOOL(1, false, ScalarType.Bool);

    private final int bytes;
    private final boolean floating;
    private final ScalarType scalarType;

    DType(int bytes, boolean floating, ScalarType scalarType) {
        this.bytes = bytes;
        this.floating = floating;
        this.scalarType = scalarType;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }

    public boolean floating() {
        return floating;
    }

    ScalarType scalarType() {
        return scalarType;
    }

    static DType of(ScalarType type) {
        for (DType candidate : values()) {
            if (candidate.scalarType.value == type.value) {
                return candidate;
            }
        }
        throw new TensorException("element type " + type + " is not one that moe4j uses");
    }
}
