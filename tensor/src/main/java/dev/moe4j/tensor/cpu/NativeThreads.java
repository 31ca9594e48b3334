package dev.moe4j.tensor.cpu;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** Sets the number of OpenMP threads per calling thread, and the number of OpenBLAS's threads, which is per process. */
public final class NativeThreads {

    private static final FunctionDescriptor NUMBER = FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT);

    private static final @Nullable MethodHandle OPEN_MP = find("omp_set_num_threads", NUMBER);
    private static final @Nullable MethodHandle OPEN_BLAS = find("openblas_set_num_threads", NUMBER);

    private NativeThreads() {}

    /** Whether the number of threads can be set per calling thread. */
    public static boolean perThread() {
        return OPEN_MP != null;
    }

    /** Sets the number of threads of the operations that this thread calls. */
    public static void ofThisThread(int count) {
        // libtorch sets a thread's number to the global default on its first call. This makes the first call.
        torch.get_num_threads();
        call(OPEN_MP, count);
    }

    /** Sets OpenBLAS's number of threads for all callers. libtorch does not set it. */
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

    /** A C function of the loaded libraries; null if none of them exports it. */
    static @Nullable MethodHandle find(String function, FunctionDescriptor type) {
        return SymbolLookup.loaderLookup()
                .find(function)
                .map(symbol -> Linker.nativeLinker().downcallHandle(symbol, type))
                .orElse(null);
    }
}
