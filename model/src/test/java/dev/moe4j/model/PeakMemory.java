package dev.moe4j.model;

import dev.moe4j.tensor.NativeHeap;
import java.util.stream.LongStream;

/** Native memory at its most. */
public final class PeakMemory {

    private static final int RUNS = 7;

    private PeakMemory() {}

    /**
     * Bytes over what was in use before: the median of several runs, since the JVM's compiler takes some and gives it back
     * beside them.
     */
    public static long of(Runnable work) {
        return LongStream.generate(() -> NativeHeap.peak(work).orElseThrow())
                .limit(RUNS)
                .sorted()
                .toArray()[RUNS / 2];
    }
}
