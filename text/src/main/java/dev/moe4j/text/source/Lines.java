package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.Arrays;

/** Reads a stream line by line. Lines longer than a limit are not kept in memory. */
final class Lines {
    private final InputStream in;
    private final long limit;
    private final byte[] buffer = new byte[1 << 16];
    private int at;
    private int end;
    private byte[] line = new byte[1 << 12];
    private int length;
    private boolean tooLong;
    private long number;

    /**
     * Creates a reader. The caller closes {@code in}.
     *
     * @param limit the maximum length of a line in bytes, below 2^30
     */
    Lines(InputStream in, long limit) {
        this.in = in;
        this.limit = limit;
    }

    /** Advances to the next line; returns false at the end of the stream. */
    boolean next() throws IOException {
        length = 0;
        tooLong = false;
        boolean any = false;
        while (true) {
            if (at == end) {
                at = 0;
                end = Math.max(0, in.read(buffer, 0, buffer.length));
                if (end == 0) {
                    number += any ? 1 : 0;
                    return any;
                }
            }
            any = true;
            int from = at;
            while (at < end && buffer[at] != '\n') {
                at++;
            }
            append(from, at - from);
            if (at < end) {
                at++;
                number++;
                return true;
            }
        }
    }

    private void append(int from, int count) {
        if (tooLong || length + (long) count > limit) {
            tooLong = true;
            return;
        }
        if (line.length - length < count) {
            line = Arrays.copyOf(line, (int) Math.min(limit, Math.max(2L * line.length, length + (long) count)));
        }
        System.arraycopy(buffer, from, line, length, count);
        length += count;
    }

    /** Returns the number of the current line, from 1. */
    long number() {
        return number;
    }

    /** Whether the line is longer than the limit. Its text is then not available. */
    boolean tooLong() {
        return tooLong;
    }

    /**
     * Returns the text of the line without its line ending.
     *
     * @throws CharacterCodingException if the line is not valid UTF-8
     */
    String text() throws CharacterCodingException {
        return Utf8.decode(line, 0, length > 0 && line[length - 1] == '\r' ? length - 1 : length);
    }
}
