package dev.moe4j.data;

import java.util.Arrays;
import java.util.Objects;

/**
 * A walk through a whole stream in order, in windows that do not overlap, in which each id but the very first is
 * predicted once. Safe for use by many threads.
 */
public final class EvalWindows {
    /** The target where nothing is to be predicted. */
    public static final int NO_TARGET = -1;

    private final TokenStream stream;
    private final int length;
    private final int padding;

    /**
     * A walk.
     *
     * @param length ids in a window, at least 1
     * @param padding the input id after the end of the stream, as the end of text
     * @throws DataException if the stream has not two ids
     */
    public EvalWindows(TokenStream stream, int length, int padding) {
        if (length < 1) {
            throw new DataException("cannot cut windows of " + length + " tokens; give at least 1");
        }
        if (stream.tokens() < 2) {
            throw new DataException("the text has " + stream.tokens() + " tokens, and none to predict; give more text");
        }
        this.stream = stream;
        this.length = length;
        this.padding = padding;
    }

    /** The ids in a window. */
    public int length() {
        return length;
    }

    /** The number of windows. */
    public long windows() {
        return (predictions() - 1) / length + 1;
    }

    /** The ids that are predicted in all windows together: all but the first. */
    public long predictions() {
        return stream.tokens() - 1;
    }

    /**
     * A window.
     *
     * @param number from 0 to {@link #windows} − 1
     * @param inputs takes {@code length} ids, {@code padding} after the end
     * @param targets takes {@code length} ids, {@link #NO_TARGET} after the end
     * @return how many targets there are; fewer than {@code length} in the last window only
     */
    public int window(long number, int[] inputs, int[] targets) {
        return window(number, inputs, targets, 0);
    }

    /** As {@link #window(long, int[], int[])}, from index {@code at} in both arrays. */
    public int window(long number, int[] inputs, int[] targets, int at) {
        Objects.checkIndex(number, windows());
        Objects.checkFromIndexSize(at, length, inputs.length);
        Objects.checkFromIndexSize(at, length, targets.length);
        long from = number * length;
        int count = (int) Math.min(length, predictions() - from);
        stream.copyTokens(from, inputs, at, count);
        stream.copyTokens(from + 1, targets, at, count);
        Arrays.fill(inputs, at + count, at + length, padding);
        Arrays.fill(targets, at + count, at + length, NO_TARGET);
        return count;
    }
}
