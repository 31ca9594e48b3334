package dev.moe4j.data.sample;

import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.LongStream;

/**
 * Divides a token stream into evaluation windows in which each token is predicted once. The first token of the stream is
 * not predicted, except with {@link #documents}. Windows may overlap. Tokens that an earlier window predicts then serve
 * only as context in a later window. Instances are safe for concurrent use.
 */
public final class EvalWindows {
    /** The target at positions without a prediction. */
    public static final int NO_TARGET = -1;

    private final TokenStream stream;
    private final int length;
    private final int stride;
    private final int padding;
    /** The first input of each document; {@link #NO_TARGET} if the stream is one text, which begins with its own token. */
    private final int firstInput;
    /** The position of the first predicted token of each text, followed by the end of the stream. */
    private final long[] starts;
    /** The number of the first window of each text, followed by the number of all windows. */
    private final long[] firstWindows;

    /**
     * Divides the stream, as one text, into windows that do not overlap.
     *
     * @param length the number of tokens in a window, at least 1
     * @param padding the input token after the end of a text
     * @throws DataException if {@code length} is below 1, or the stream has fewer than two tokens
     */
    public EvalWindows(TokenStream stream, int length, int padding) {
        this(stream, length, length, padding, NO_TARGET, 1, stream.tokens());
    }

    private EvalWindows(TokenStream stream, int length, int stride, int padding, int firstInput, long... starts) {
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
        this.firstInput = firstInput;
        this.starts = starts;
        this.firstWindows = new long[starts.length];
        for (int text = 0; text + 1 < starts.length; text++) {
            long beyond = Math.max(0, starts[text + 1] - starts[text] - length);
            firstWindows[text + 1] = firstWindows[text] + 1 + Math.ceilDiv(beyond, stride);
        }
    }

    /**
     * Returns a copy whose windows begin {@code tokens} apart. Every window of a text except the first predicts at most
     * that many tokens.
     *
     * @throws DataException if {@code tokens} is not from 1 to the window length
     */
    public EvalWindows stride(int tokens) {
        return new EvalWindows(stream, length, tokens, padding, firstInput, starts);
    }

    /**
     * Returns a copy whose windows do not cross document boundaries. The first input of each document is the end of text,
     * which predicts the first token. If the stream is not a {@link DocumentStream}, documents end at end-of-text tokens.
     */
    public EvalWindows documents(int endOfText) {
        long[] starts = stream instanceof DocumentStream documents ? starts(documents) : startsAfter(endOfText);
        return new EvalWindows(stream, length, stride, padding, endOfText, starts);
    }

    /** Returns the starts of all documents that are not empty. */
    private static long[] starts(DocumentStream stream) {
        return LongStream.rangeClosed(0, stream.documents())
                .map(stream::documentStart)
                .distinct()
                .toArray();
    }

    private long[] startsAfter(int endOfText) {
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

    /** Returns the maximum number of tokens in a window. */
    public int length() {
        return length;
    }

    /** Returns the number of windows. */
    public long windows() {
        return firstWindows[firstWindows.length - 1];
    }

    /** Returns the number of predicted tokens in all windows. */
    public long predictions() {
        return stream.tokens() - starts[0];
    }

    /** Returns the number of tokens in a window, which is below {@link #length} at the end of a text. */
    public int length(long number) {
        int text = text(number);
        return (int) Math.min(length, starts[text + 1] - from(text, number));
    }

    private int text(long number) {
        Objects.checkIndex(number, windows());
        int found = Arrays.binarySearch(firstWindows, number);
        // Texts are not empty, so each text begins with a different window.
        return found >= 0 ? found : -found - 2;
    }

    /** Returns the position of the first target of a window, including targets that an earlier window predicts. */
    private long from(int text, long number) {
        return starts[text] + (number - firstWindows[text]) * stride;
    }

    /**
     * Copies the inputs and targets of a window.
     *
     * @param number the number of the window, from 0 to {@link #windows} − 1
     * @param inputs receives the inputs, {@code [length]}, with {@code padding} after the end of the text
     * @param targets receives the targets, {@code [length]}, with {@link #NO_TARGET} after the end of the text and where
     *     an earlier window predicts the token
     * @return the number of targets
     */
    public int window(long number, int[] inputs, int[] targets) {
        return window(number, inputs, targets, 0, length);
    }

    /** Like {@link #window(long, int[], int[])}, but writes {@code size} tokens from index {@code at} of both arrays. */
    public int window(long number, int[] inputs, int[] targets, int at, int size) {
        Objects.checkFromIndexSize(at, size, inputs.length);
        Objects.checkFromIndexSize(at, size, targets.length);
        int count = length(number);
        Objects.checkFromIndexSize(0, count, size);
        int text = text(number);
        long from = from(text, number);
        int context = number == firstWindows[text] ? 0 : length - stride;
        if (firstInput >= 0 && from == starts[text]) {
            inputs[at] = firstInput;
            stream.copyTokens(from, inputs, at + 1, count - 1);
        } else {
            stream.copyTokens(from - 1, inputs, at, count);
        }
        stream.copyTokens(from, targets, at, count);
        Arrays.fill(targets, at, at + context, NO_TARGET);
        Arrays.fill(inputs, at + count, at + size, padding);
        Arrays.fill(targets, at + count, at + size, NO_TARGET);
        return count - context;
    }
}
