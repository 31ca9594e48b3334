package dev.moe4j.text.source;

import java.io.FilterReader;
import java.io.IOException;
import java.io.Reader;

/**
 * Reads the characters of a table, and fails once a value has more than its bound. The parser of the table says where a
 * value ends. It may have read a block ahead of there, so the bound is exceeded by at most a block.
 */
final class BoundedValueReader extends FilterReader {
    private static final int BLOCK = 1 << 13;

    private final long most;
    private long sinceValue;

    /**
     * A reader of the same characters.
     *
     * @param most characters of a value
     */
    BoundedValueReader(Reader in, long most) {
        super(in);
        this.most = most;
    }

    /** A value has more characters than the bound. */
    static final class TooLongException extends IOException {
        TooLongException(long most) {
            super("a value of more than " + most + " characters");
        }
    }

    /** Counts from here: the parser has come to the end of a value. */
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
        if (sinceValue > most + BLOCK) {
            throw new TooLongException(most);
        }
        return count;
    }
}
