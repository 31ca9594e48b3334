package dev.moe4j.tensor.cpu;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/** Runs Java code on libtorch's OpenMP threads. It enters a parallel region by the same call that C compilers generate. */
public final class OpenMpRegion {

    /** Arguments: the body, the body's argument, the number of threads, flags. */
    private static final @Nullable MethodHandle PARALLEL = NativeThreads.find(
            "GOMP_parallel",
            FunctionDescriptor.ofVoid(
                    ValueLayout.ADDRESS, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

    /** The bodies of the running regions, by region number. The number is the argument that OpenMP passes to the body. */
    private static final Map<Long, Runnable> BODIES = new ConcurrentHashMap<>();

    private static final AtomicLong REGIONS = new AtomicLong();
    private static final MemorySegment RUN_BODY = runBody();

    private OpenMpRegion() {}

    /** Whether the loaded OpenMP library supports this: libgomp does. */
    public static boolean available() {
        return PARALLEL != null;
    }

    /**
     * Runs the body on the calling thread and {@code count - 1} OpenMP threads, and returns when all have ended. A number of
     * threads that the body sets by {@link NativeThreads#ofThisThread} is valid until then.
     *
     * @param body must not throw: that would end the process
     */
    public static void run(int count, Runnable body) {
        long number = REGIONS.incrementAndGet();
        BODIES.put(number, body);
        try {
            Objects.requireNonNull(PARALLEL).invokeExact(RUN_BODY, number, count, 0);
        } catch (Throwable e) {
            throw new IllegalStateException("cannot run on OpenMP's threads", e);
        } finally {
            BODIES.remove(number);
        }
    }

    private static MemorySegment runBody() {
        LongConsumer run = number -> Objects.requireNonNull(BODIES.get(number)).run();
        try {
            MethodHandle accept = MethodHandles.lookup()
                    .findVirtual(LongConsumer.class, "accept", MethodType.methodType(void.class, long.class));
            return Linker.nativeLinker()
                    .upcallStub(accept.bindTo(run), FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG), Arena.global());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("LongConsumer.accept", e);
        }
    }
}
