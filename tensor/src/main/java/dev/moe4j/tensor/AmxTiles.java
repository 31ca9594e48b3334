package dev.moe4j.tensor;

/**
 * Whether oneDNN may use the processor's bfloat16 tiles (Intel's AMX), which it settles once in a process. With tiles it
 * would round float32 to bfloat16, so that {@link Libtorch} leaves products in float32 to OpenBLAS. Without tiles oneDNN
 * takes them, which trains faster and generates more slowly (docs/log.md has the measurement).
 */
public final class AmxTiles {

    private static volatile boolean wanted = true;

    private AmxTiles() {}

    /**
     * Does without tiles where training computes in float32. Matters on processors that have some, and before libtorch is
     * loaded, which creating a tensor does; {@code ONEDNN_MAX_CPU_ISA} in the environment decides where it is set.
     */
    public static void settle(Precision training) {
        wanted = training.compute() != DType.FLOAT32;
    }

    static boolean wanted() {
        return wanted;
    }
}
