package dev.moe4j.text.source;

import java.io.FilterReader;
import java.io.IOException;
import java.io.Reader;

/**
 * Reads the characters of a table and fails if a value is longer than a limit. The table parser reports where a value
 * ends. The parser may read one block ahead, so a value may exceed the limit by at most one block.
 */
final class BoundedValueReader extends FilterReader {
    private static final int BLOCK = 1 << 13;

    private final long limit;
    private long sinceValue;

    /**
     * Wraps a reader.
     *
     * @param limit the maximum length of a value, in characters
     */
    BoundedValueReader(Reader in, long limit) {
        super(in);
        this.limit = limit;
    }

    /** Reports a value that is longer than the limit. */
    static final class TooLongException extends IOException {
        TooLongException(long limit) {
            super("a value of more than " + limit + " characters");
        }
    }

    /** Restarts the count, because the parser has reached the end of a value. */
    void valueEnds() {
        sinceValue = 0;
    }

    @Override
    public int read() throws IOException {
        char[] one = new char[1];
        return read(one, 0, 1) < 0 ? -1 : one[0];
    }

    @Override
    public int read(char[] out, int from, int length) throws IOException {
        int count = super.read(out, from, Math.min(length, BLOCK));
        sinceValue += Math.max(count, 0);
        if (sinceValue > limit + BLOCK) {
            throw new TooLongException(limit);
        }
        return count;
    }
}
