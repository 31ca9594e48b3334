package dev.moe4j.model;

import dev.moe4j.tensor.NativeHeap;
import java.util.stream.LongStream;

/** Measures peak native memory. */
public final class PeakMemory {

    private static final int RUNS = 7;

    private PeakMemory() {}

    /**
     * The peak in bytes above the memory in use before. Takes the median of several runs, because the JVM's compiler
     * allocates and frees memory concurrently.
     */
    public static long of(Runnable work) {
        return LongStream.generate(() -> NativeHeap.peak(work).orElseThrow())
                .limit(RUNS)
                .sorted()
                .toArray()[RUNS / 2];
    }
}
