package dev.moe4j.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * How many threads operations use: a number for each thread, and OpenBLAS's own, which is one for all; and OpenMP's
 * threads themselves, for Java to run on.
 */
final class NativeThreads {

    private static final FunctionDescriptor NUMBER = FunctionDescriptor.ofVoid(ValueLayout.JAVA_INT);
    /** Of a region's body, whose argument, a pointer in C, is only passed on. */
    private static final FunctionDescriptor BODY = FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG);

    private static final @Nullable MethodHandle OPEN_MP = find("omp_set_num_threads", NUMBER);
    private static final @Nullable MethodHandle OPEN_BLAS = find("openblas_set_num_threads", NUMBER);

    /** A parallel region as compilers call it: the body, its argument, the number of threads, flags. */
    private static final @Nullable MethodHandle PARALLEL = find(
            "GOMP_parallel",
            FunctionDescriptor.ofVoid(
                    ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    /** The bodies of the regions that are running; a region's argument is the number of its body. */
    private static final Map<Long, Runnable> BODIES = new ConcurrentHashMap<>();

    private static final AtomicLong REGIONS = new AtomicLong();
    private static final MemorySegment RUN_BODY = runBody();

    private NativeThreads() {}

    /** Whether {@link #region} works here. */
    static boolean regions() {
        return OPEN_MP != null && PARALLEL != null;
    }

    /**
     * Runs the body on the calling thread and {@code count - 1} threads of OpenMP, those that operations use, and returns
     * when all have ended it. Each thread's operations use that thread alone.
     *
     * @param body must not throw: that would end the process
     */
    static void region(int count, Runnable body) {
        long number = REGIONS.incrementAndGet();
        BODIES.put(number, () -> {
            // Lasts until the region ends.
            ofThisThread(1);
            body.run();
        });
        try {
            Objects.requireNonNull(PARALLEL).invokeExact(RUN_BODY, number, count, 0);
        } catch (Throwable e) {
            throw new TensorException("cannot run on OpenMP's threads", e);
        } finally {
            BODIES.remove(number);
        }
    }

    /** For operations that this thread calls. */
    static void ofThisThread(int count) {
        // Its first operation gives a thread the number that all have; so this one first.
        torch.get_num_threads();
        call(OPEN_MP, count);
    }

    /**
     * For OpenBLAS, which multiplies in double precision and, without AVX-512, in float32, and of whose threads libtorch
     * does not know. They spin: on cores that are shared they cost up to ten times what they compute.
     */
    static void ofOpenBlas(int count) {
        call(OPEN_BLAS, count);
    }

    private static void call(@Nullable MethodHandle function, int count) {
        if (function == null) {
            return;
        }
        try {
            function.invokeExact(count);
        } catch (Throwable e) {
            throw new TensorException("cannot set a number of threads", e);
        }
    }

    private static @Nullable MethodHandle find(String function, FunctionDescriptor type) {
        return SymbolLookup.loaderLookup()
                .find(function)
                .map(symbol -> Linker.nativeLinker().downcallHandle(symbol, type))
                .orElse(null);
    }

    private static MemorySegment runBody() {
        LongConsumer run = number -> Objects.requireNonNull(BODIES.get(number)).run();
        try {
            MethodHandle accept = MethodHandles.lookup()
                    .findVirtual(LongConsumer.class, "accept", MethodType.methodType(void.class, long.class));
            return Linker.nativeLinker().upcallStub(accept.bindTo(run), BODY, Arena.global());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("LongConsumer.accept", e);
        }
    }
}
