package dev.moe4j.tensor.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the instruction set that oneDNN uses on x86. oneDNN does not report it, so it is derived from the CPU and {@code
 * ONEDNN_MAX_CPU_ISA}.
 */
public final class OneDnnInstructions {

    /** oneDNN's names for instruction sets, as in {@code ONEDNN_MAX_CPU_ISA}. Each set includes all sets before it. */
    private static final List<String> SETS = List.of(
            "SSE41",
            "AVX",
            "AVX2",
            "AVX2_VNNI",
            "AVX2_VNNI_2",
            "AVX512_CORE",
            "AVX512_CORE_VNNI",
            "AVX512_CORE_BF16",
            "AVX512_CORE_FP16",
            "AVX512_CORE_AMX",
            "AVX512_CORE_AMX_FP16");

    /** libtorch's functions that test the CPU for a set, such as {@code bool at::cpu::is_avx2_supported()}. */
    private static final Map<String, String> CPU_TESTS = cpuTests();

    private OneDnnInstructions() {}

    private static Map<String, String> cpuTests() {
        Map<String, String> tests = new LinkedHashMap<>();
        tests.put("AVX2", "_ZN2at3cpu17is_avx2_supportedEv");
        tests.put("AVX512_CORE", "_ZN2at3cpu19is_avx512_supportedEv");
        tests.put("AVX512_CORE_BF16", "_ZN2at3cpu24is_avx512_bf16_supportedEv");
        tests.put("AVX512_CORE_AMX", "_ZN2at3cpu21is_amx_tile_supportedEv");
        tests.put("AVX512_CORE_AMX_FP16", "_ZN2at3cpu21is_amx_fp16_supportedEv");
        return tests;
    }

    /** The most capable set of this CPU for floating-point products; null if libtorch cannot test for any. */
    public static @Nullable String ofCpu() {
        String last = null;
        for (Map.Entry<String, String> test : CPU_TESTS.entrySet()) {
            MethodHandle function =
                    NativeThreads.find(test.getValue(), FunctionDescriptor.of(ValueLayout.JAVA_BOOLEAN));
            if (function != null && supported(function)) {
                last = test.getKey();
            }
        }
        return last;
    }

    private static boolean supported(MethodHandle function) {
        try {
            return (boolean) function.invokeExact();
        } catch (Throwable e) {
            throw new IllegalStateException("cannot test for the CPU's instruction sets", e);
        }
    }

    /** The CPU's set, or the limit if it is the smaller one. A limit that is not a known set, such as ALL, has no effect. */
    public static String within(String limit, String ofCpu) {
        int last = SETS.indexOf(limit);
        return last < 0 ? ofCpu : SETS.get(Math.min(last, SETS.indexOf(ofCpu)));
    }

    /** Whether a set includes another one. */
    public static boolean reaches(String set, String wanted) {
        return SETS.indexOf(set) >= SETS.indexOf(wanted);
    }
}
