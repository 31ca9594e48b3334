package dev.moe4j.model;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** The C library's own count of what it has handed out, which is what libtorch holds, graphs of its own included. */
final class Malloc {

    private static final MemoryLayout MALLINFO2 = MemoryLayout.structLayout(
            MemoryLayout.sequenceLayout(10, ValueLayout.JAVA_LONG).withName("fields"));
    private static final long PAUSE_NANOSECONDS = 50_000;

    private Malloc() {}

    /** Bytes in use. */
    static long inUse() {
        Linker linker = Linker.nativeLinker();
        MethodHandle call = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("mallinfo2"), FunctionDescriptor.of(MALLINFO2));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = (MemorySegment) call.invokeExact((SegmentAllocator) arena);
            // hblkhd, mapped apart, and uordblks.
            return info.getAtIndex(ValueLayout.JAVA_LONG, 4) + info.getAtIndex(ValueLayout.JAVA_LONG, 7);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /** The most bytes in use while the work runs, over what was in use before; looked at from another thread. */
    static long peak(Runnable work) {
        AtomicBoolean done = new AtomicBoolean();
        AtomicLong most = new AtomicLong();
        long before = inUse();
        Thread watch = Thread.ofPlatform().start(() -> {
            while (!done.get()) {
                most.accumulateAndGet(inUse(), Math::max);
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
            throw new AssertionError(e);
        }
        return most.get() - before;
    }
}
