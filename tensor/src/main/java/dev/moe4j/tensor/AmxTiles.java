package dev.moe4j.tensor;

import dev.moe4j.tensor.cpu.OneDnnInstructions;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whether oneDNN may use the processor's bfloat16 tiles (Intel's AMX), which it settles once in a process. With tiles it
 * would round float32 to bfloat16, so that {@link Libtorch} leaves products in float32 to OpenBLAS. Without tiles oneDNN
 * takes them, which trains faster and generates more slowly (docs/log.md has the measurement).
 */
public final class AmxTiles {

    private static final Logger LOG = LoggerFactory.getLogger(AmxTiles.class);

    private static boolean wanted = true;
    private static boolean loaded;

    private AmxTiles() {}

    /**
     * Does without tiles where training computes in float32. Matters on processors that have some, and before libtorch is
     * loaded, which creating a tensor does; {@code ONEDNN_MAX_CPU_ISA} in the environment decides where it is set. If
     * libtorch is loaded and its choice is the other one, that choice stays and a warning says so.
     */
    public static synchronized void settle(Precision training) {
        boolean wants = training.compute() != DType.FLOAT32;
        if (loaded) {
            refusal(wanted, wants, OneDnnInstructions.ofCpu(), System.getenv("ONEDNN_MAX_CPU_ISA"))
                    .ifPresent(LOG::warn);
        } else {
            wanted = wants;
        }
    }

    /**
     * Why a choice comes too late. Empty if it would change nothing.
     *
     * @param has whether libtorch was loaded with tiles allowed
     * @param wants whether tiles are wanted now
     * @param ofCpu the processor's instruction set, null if unknown
     * @param limit of the environment, null if there is none
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

    /** Whether tiles are allowed. Libtorch asks when it is loaded, and the answer stays. */
    static synchronized boolean wanted() {
        loaded = true;
        return wanted;
    }
}
