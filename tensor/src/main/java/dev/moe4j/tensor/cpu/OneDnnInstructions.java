package dev.moe4j.tensor.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The instructions that oneDNN multiplies with on x86, which it tells nobody: the CPU's, up to its limit. */
public final class OneDnnInstructions {

    /** Sets that it may be limited to, by its own names, each with all before it. */
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

    /** libtorch's functions that tell whether the CPU has a set, {@code bool at::cpu::is_avx2_supported()} and so on. */
    private static final Map<String, String> QUESTIONS = questions();

    private OneDnnInstructions() {}

    private static Map<String, String> questions() {
        Map<String, String> questions = new LinkedHashMap<>();
        questions.put("AVX2", "_ZN2at3cpu17is_avx2_supportedEv");
        questions.put("AVX512_CORE", "_ZN2at3cpu19is_avx512_supportedEv");
        questions.put("AVX512_CORE_BF16", "_ZN2at3cpu24is_avx512_bf16_supportedEv");
        questions.put("AVX512_CORE_AMX", "_ZN2at3cpu21is_amx_tile_supportedEv");
        questions.put("AVX512_CORE_AMX_FP16", "_ZN2at3cpu21is_amx_fp16_supportedEv");
        return questions;
    }

    /** The last set of this CPU's that matters to floating-point products; null where that cannot be asked. */
    public static @Nullable String ofCpu() {
        String last = null;
        for (Map.Entry<String, String> question : QUESTIONS.entrySet()) {
            MethodHandle function =
                    NativeThreads.find(question.getValue(), FunctionDescriptor.of(ValueLayout.JAVA_BOOLEAN));
            if (function != null && answer(function)) {
                last = question.getKey();
            }
        }
        return last;
    }

    private static boolean answer(MethodHandle function) {
        try {
            return (boolean) function.invokeExact();
        } catch (Throwable e) {
            throw new IllegalStateException("cannot ask for the CPU's instructions", e);
        }
    }

    /** A CPU's set within a limit, which may be a word for none. */
    public static String within(String limit, String ofCpu) {
        int last = SETS.indexOf(limit);
        return last < 0 ? ofCpu : SETS.get(Math.min(last, SETS.indexOf(ofCpu)));
    }

    /** Whether a set includes another one. */
    public static boolean reaches(String set, String wanted) {
        return SETS.indexOf(set) >= SETS.indexOf(wanted);
    }
}
