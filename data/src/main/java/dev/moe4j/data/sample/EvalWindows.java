package dev.moe4j.data.sample;

import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.LongStream;

/**
 * A walk through a whole stream in order, in windows, in which each id is predicted once: all but the very first, or
 * with {@link #documents} all. Windows may overlap: then what an earlier one has predicted is only context for what a
 * later one adds. Safe for use by many threads.
 */
public final class EvalWindows {
    /** The target where nothing is to be predicted. */
    public static final int NO_TARGET = -1;

    private final TokenStream stream;
    private final int length;
    private final int stride;
    private final int padding;
    /** The id that each document begins behind; {@link #NO_TARGET} in a stream, which begins behind its own first one. */
    private final int beginning;
    /** The first predicted id of each text that windows do not cross, and behind the last one the stream's end. */
    private final long[] starts;
    /** The number of each text's first window, and behind the last one that of all windows. */
    private final long[] firstWindows;

    /**
     * A walk through the stream as one text, in windows that do not overlap.
     *
     * @param length ids in a window, at least 1
     * @param padding what stands for input ids after the end of a text
     * @throws DataException if the stream has not two ids
     */
    public EvalWindows(TokenStream stream, int length, int padding) {
        this(stream, length, length, padding, NO_TARGET, 1, stream.tokens());
    }

    private EvalWindows(TokenStream stream, int length, int stride, int padding, int beginning, long... starts) {
        if (length < 1) {
            throw new DataException("cannot cut windows of " + length + " tokens; give at least 1");
        }
        if (stride < 1 || stride > length) {
            throw new DataException(
                    "windows of " + length + " tokens cannot move by " + stride + "; give from 1 to their length");
        }
        if (stream.tokens() < 2) {
            throw new DataException("the text has " + stream.tokens() + " tokens, and none to predict; give more text");
        }
        this.stream = stream;
        this.length = length;
        this.stride = stride;
        this.padding = padding;
        this.beginning = beginning;
        this.starts = starts;
        this.firstWindows = new long[starts.length];
        for (int text = 0; text + 1 < starts.length; text++) {
            long beyond = Math.max(0, starts[text + 1] - starts[text] - length);
            firstWindows[text + 1] = firstWindows[text] + 1 + Math.ceilDiv(beyond, stride);
        }
    }

    /** The same walk in windows that begin that many ids apart; from its second one on a window predicts so many. */
    public EvalWindows stride(int ids) {
        return new EvalWindows(stream, length, ids, padding, beginning, starts);
    }

    /**
     * The same walk in windows that do not cross the ends of documents. Each document begins behind an end of text, which
     * predicts its first id. Where a stream does not say what its documents are, ends of text are taken for their ends.
     */
    public EvalWindows documents(int endOfText) {
        long[] starts = stream instanceof DocumentStream documents ? starts(documents) : startsBehind(endOfText);
        return new EvalWindows(stream, length, stride, padding, endOfText, starts);
    }

    /** Without documents that have no ids. */
    private static long[] starts(DocumentStream stream) {
        return LongStream.rangeClosed(0, stream.documents())
                .map(stream::documentStart)
                .distinct()
                .toArray();
    }

    private long[] startsBehind(int endOfText) {
        long[] found = new long[16];
        int count = 1;
        int[] buffer = new int[1 << 16];
        for (long from = 0; from < stream.tokens(); from += buffer.length) {
            int n = (int) Math.min(buffer.length, stream.tokens() - from);
            stream.copyTokens(from, buffer, 0, n);
            for (int i = 0; i < n; i++) {
                if (buffer[i] == endOfText && from + i + 1 < stream.tokens()) {
                    if (count + 1 == found.length) {
                        found = Arrays.copyOf(found, 2 * count + 2);
                    }
                    found[count++] = from + i + 1;
                }
            }
        }
        found[count++] = stream.tokens();
        return Arrays.copyOf(found, count);
    }

    /** The most ids in a window. */
    public int length() {
        return length;
    }

    /** The number of windows. */
    public long windows() {
        return firstWindows[firstWindows.length - 1];
    }

    /** The ids that are predicted in all windows together. */
    public long predictions() {
        return stream.tokens() - starts[0];
    }

    /** The ids in a window, fewer than {@link #length} at the end of a text. */
    public int length(long number) {
        int text = text(number);
        return (int) Math.min(length, starts[text + 1] - from(text, number));
    }

    private int text(long number) {
        Objects.checkIndex(number, windows());
        int found = Arrays.binarySearch(firstWindows, number);
        // No two texts begin with the same window, since none is empty.
        return found >= 0 ? found : -found - 2;
    }

    /** The first id that a window has as a target, or would have if no earlier one had it. */
    private long from(int text, long number) {
        return starts[text] + (number - firstWindows[text]) * stride;
    }

    /**
     * A window.
     *
     * @param number from 0 to {@link #windows} − 1
     * @param inputs takes {@code length} ids, {@code padding} after the end
     * @param targets takes {@code length} ids, {@link #NO_TARGET} after the end and where an earlier window has them
     * @return how many targets there are
     */
    public int window(long number, int[] inputs, int[] targets) {
        return window(number, inputs, targets, 0, length);
    }

    /** As {@link #window(long, int[], int[])}, taking {@code room} ids from index {@code at} in both arrays. */
    public int window(long number, int[] inputs, int[] targets, int at, int room) {
        Objects.checkFromIndexSize(at, room, inputs.length);
        Objects.checkFromIndexSize(at, room, targets.length);
        int count = length(number);
        Objects.checkFromIndexSize(0, count, room);
        int text = text(number);
        long from = from(text, number);
        int context = number == firstWindows[text] ? 0 : length - stride;
        if (beginning >= 0 && from == starts[text]) {
            inputs[at] = beginning;
            stream.copyTokens(from, inputs, at + 1, count - 1);
        } else {
            stream.copyTokens(from - 1, inputs, at, count);
        }
        stream.copyTokens(from, targets, at, count);
        Arrays.fill(targets, at, at + context, NO_TARGET);
        Arrays.fill(inputs, at + count, at + room, padding);
        Arrays.fill(targets, at + count, at + room, NO_TARGET);
        return count - context;
    }
}
