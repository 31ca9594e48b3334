package dev.moe4j.model.block;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/** A router's logits {@code [tokens, experts]} for reading on the host, without a copy of a host tensor. */
public final class Logits {

    private final MemorySegment memory;
    private final boolean single;
    private final int tokens;
    private final int experts;

    private Logits(MemorySegment memory, boolean single, int tokens, int experts) {
        this.memory = memory;
        this.single = single;
        this.tokens = tokens;
        this.experts = experts;
    }

    /**
     * The logits of a tensor, which must outlive this object. Waits for the tensor's device.
     *
     * @param logits_TE float32 or float64
     */
    public static Logits of(Tensor logits_TE) {
        Tensor host_TE = logits_TE.toHost();
        return new Logits(
                host_TE.memory(), host_TE.dtype() == DType.FLOAT32, (int) host_TE.size(0), (int) host_TE.size(1));
    }

    /** The given logits, {@code [tokens · experts]}. */
    public static Logits of(double[] logits, int experts) {
        return new Logits(MemorySegment.ofArray(logits), false, logits.length / experts, experts);
    }

    public int tokens() {
        return tokens;
    }

    public int experts() {
        return experts;
    }

    /** Copies a token's logits to {@code row}, {@code [experts]}. */
    public void read(int token, double[] row) {
        long first = (long) token * experts;
        for (int e = 0; e < experts; e++) {
            row[e] = single
                    ? memory.getAtIndex(ValueLayout.JAVA_FLOAT, first + e)
                    : memory.getAtIndex(ValueLayout.JAVA_DOUBLE, first + e);
        }
    }
}
