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

/** The C library's own count of what it has handed out, which is what libtorch holds on the CPU, graphs of its own included. */
public final class NativeHeap {

    private static final MemoryLayout MALLINFO2 = MemoryLayout.structLayout(
            MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG).withName("fields"));
    private static final int UORDBLKS = 7;
    /** Mapped apart, as large blocks are. */
    private static final int HBLKHD = 4;

    private static final long PAUSE_NANOSECONDS = 50_000;

    private NativeHeap() {}

    /** Bytes in use; empty where the C library does not tell: glibc from 2.33 on does. */
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
     * The most bytes in use while the work runs, over what was in use before; empty where {@link #inUse} is. A thread looks
     * again and again, and takes time from others.
     */
    public static OptionalLong peak(Runnable work) {
        MethodHandle counter = counter().orElse(null);
        if (counter == null) {
            work.run();
            return OptionalLong.empty();
        }
        long before = call(counter);
        AtomicBoolean done = new AtomicBoolean();
        AtomicLong most = new AtomicLong();
        Thread watch = Thread.ofPlatform().daemon().name("native-heap").start(() -> {
            while (!done.get()) {
                most.accumulateAndGet(call(counter), Math::max);
                LockSupport.parkNanos(PAUSE_NANOSECONDS);
            }
        });
        try {
            work.run();
        } finally {
            done.set(true);
        }
        try {
            watch.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while memory was measured", e);
        }
        return OptionalLong.of(most.get() - before);
    }
}
