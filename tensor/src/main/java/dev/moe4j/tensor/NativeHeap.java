package dev.moe4j.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Measures the native memory in use by {@code malloc}'s own statistics (glibc 2.33 or later). The number includes all CPU
 * tensors and libtorch's autograd graphs.
 */
public final class NativeHeap {

    private static final MemoryLayout MALLINFO2 = MemoryLayout.structLayout(
            MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG).withName("fields"));
    /** Field of the bytes in use in {@code malloc}'s arenas. */
    private static final int UORDBLKS = 7;
    /** Field of the bytes in large blocks, each of which is mapped separately. */
    private static final int HBLKHD = 4;

    private static final long SAMPLING_NANOSECONDS = 50_000;

    private NativeHeap() {}

    /** The bytes in use; empty if the C library lacks {@code mallinfo2}. */
    public static OptionalLong inUse() {
        MethodHandle counter = counter().orElse(null);
        return counter == null ? OptionalLong.empty() : OptionalLong.of(call(counter));
    }

    private static Optional<MethodHandle> counter() {
        Linker linker = Linker.nativeLinker();
        return linker.defaultLookup()
                .find("mallinfo2")
                .map(address -> linker.downcallHandle(address, FunctionDescriptor.of(MALLINFO2)));
    }

    private static long call(MethodHandle counter) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = (MemorySegment) counter.invokeExact((SegmentAllocator) arena);
            return info.getAtIndex(ValueLayout.JAVA_LONG, HBLKHD) + info.getAtIndex(ValueLayout.JAVA_LONG, UORDBLKS);
        } catch (Throwable e) {
            throw new IllegalStateException("mallinfo2 failed", e);
        }
    }

    /**
     * Runs the work and returns its peak memory in bytes, minus the memory in use before. Empty if {@link #inUse} is empty. A
     * thread samples continuously, which slows the work down.
     */
    public static OptionalLong peak(Runnable work) {
        MethodHandle counter = counter().orElse(null);
        if (counter == null) {
            work.run();
            return OptionalLong.empty();
        }
        long before = call(counter);
        AtomicBoolean done = new AtomicBoolean();
        AtomicLong peak = new AtomicLong();
        Thread sampler = Thread.ofPlatform().daemon().name("native-heap").start(() -> {
            while (!done.get()) {
                peak.accumulateAndGet(call(counter), Math::max);
                LockSupport.parkNanos(SAMPLING_NANOSECONDS);
            }
        });
        try {
            work.run();
        } finally {
            done.set(true);
        }
        try {
            sampler.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while memory was measured", e);
        }
        return OptionalLong.of(peak.get() - before);
    }
}
