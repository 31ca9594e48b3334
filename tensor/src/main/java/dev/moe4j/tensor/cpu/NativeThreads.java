package dev.moe4j.tensor.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** How many threads operations use: a number for each thread, and OpenBLAS's own, which is one for all. */
public final class NativeThreads {

    private static final FunctionDescriptor NUMBER = FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT);

    private static final @Nullable MethodHandle OPEN_MP = find("omp_set_num_threads", NUMBER);
    private static final @Nullable MethodHandle OPEN_BLAS = find("openblas_set_num_threads", NUMBER);

    private NativeThreads() {}

    /** Whether a thread can have a number of its own. */
    public static boolean perThread() {
        return OPEN_MP != null;
    }

    /** For operations that this thread calls. */
    public static void ofThisThread(int count) {
        // Its first operation gives a thread the number that all have; so this one first.
        torch.get_num_threads();
        call(OPEN_MP, count);
    }

    /** For OpenBLAS, of whose threads libtorch does not know: it has one number for all callers. */
    public static void ofOpenBlas(int count) {
        call(OPEN_BLAS, count);
    }

    private static void call(@Nullable MethodHandle function, int count) {
        if (function == null) {
            return;
        }
        try {
            function.invokeExact(count);
        } catch (Throwable e) {
            throw new IllegalStateException("cannot set a number of threads", e);
        }
    }

    /** A C function of the libraries that are loaded, null where there is none. */
    static @Nullable MethodHandle find(String function, FunctionDescriptor type) {
        return SymbolLookup.loaderLookup()
                .find(function)
                .map(symbol -> Linker.nativeLinker().downcallHandle(symbol, type))
                .orElse(null);
    }
}
