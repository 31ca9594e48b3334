package dev.moe4j.tensor;

import dev.moe4j.tensor.cpu.OneDnnInstructions;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Decides whether oneDNN may use the processor's bfloat16 tiles (Intel AMX). oneDNN decides once per process. With tiles it
 * would round float32 operands to bfloat16, so {@link Libtorch} then leaves float32 products to OpenBLAS. Without tiles
 * oneDNN computes float32 products, which makes training faster and generation slower (measured in docs/log.md).
 */
public final class AmxTiles {

    private static final Logger LOG = LoggerFactory.getLogger(AmxTiles.class);

    private static boolean wanted = true;
    private static boolean loaded;

    private AmxTiles() {}

    /**
     * Disables tiles if training computes in float32. Call this before libtorch is loaded, and thus before the first tensor
     * is created. If libtorch is loaded with the opposite choice, this logs a warning and changes nothing. The environment
     * variable {@code ONEDNN_MAX_CPU_ISA} takes precedence. Has no effect on processors without tiles.
     */
    public static synchronized void configure(Precision training) {
        boolean wants = training.compute() != DType.FLOAT32;
        if (loaded) {
            refusal(wanted, wants, OneDnnInstructions.ofCpu(), System.getenv("ONEDNN_MAX_CPU_ISA"))
                    .ifPresent(LOG::warn);
        } else {
            wanted = wants;
        }
    }

    /**
     * The warning about a choice that comes too late. Empty if the choice has no effect.
     *
     * @param has whether libtorch was loaded with tiles allowed
     * @param wants whether tiles are wanted now
     * @param ofCpu the processor's instruction set; null if unknown
     * @param limit the environment's ONEDNN_MAX_CPU_ISA; null if not set
     */
    static Optional<String> refusal(boolean has, boolean wants, @Nullable String ofCpu, @Nullable String limit) {
        if (has == wants || limit != null || ofCpu == null || !ofCpu.contains("AMX")) {
            return Optional.empty();
        }
        return Optional.of(
                has
                        ? "libtorch is loaded with AMX tiles, so that OpenBLAS computes float32 products, more slowly than "
                                + "oneDNN without tiles; train in a new process or set ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16"
                        : "libtorch is loaded without AMX tiles, so that bfloat16 products are slower; "
                                + "train in a new process");
    }

    /** Whether tiles are allowed. Libtorch calls this while it is loaded; afterwards the choice is final. */
    static synchronized boolean wanted() {
        loaded = true;
        return wanted;
    }
}
