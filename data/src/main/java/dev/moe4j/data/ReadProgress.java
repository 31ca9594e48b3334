package dev.moe4j.data;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.function.LongConsumer;

/**
 * How far a file is read, in bytes on the disk. It tells when documents are given on: a file may be opened several times,
 * and only when there are documents is it read for them.
 */
final class ReadProgress {
    private final LongConsumer out;
    private long size;
    private long position;
    private long told;

    /**
     * @param out takes the bytes that were read since it was called last
     */
    ReadProgress(LongConsumer out) {
        this.out = out;
    }

    /** Begins a file of so many bytes. */
    void begin(long bytes) {
        size = bytes;
        position = 0;
        told = 0;
    }

    /** Counts what is read from the beginning of the file. */
    InputStream count(InputStream in) {
        position = 0;
        return new FilterInputStream(in) {
            @Override
            public int read() throws IOException {
                int read = super.read();
                position += read < 0 ? 0 : 1;
                return read;
            }

            @Override
            public int read(byte[] into, int at, int length) throws IOException {
                int n = super.read(into, at, length);
                position += Math.max(0, n);
                return n;
            }
        };
    }

    /** Counts a piece of the file that was read, such as an entry of an archive. */
    void add(long bytes) {
        position += bytes;
        tell(position);
    }

    /** Says that a document was given on. */
    void document() {
        tell(position);
    }

    /** Ends the file. */
    void end() {
        tell(size);
    }

    private void tell(long at) {
        long now = Math.min(at, size);
        if (now > told) {
            out.accept(now - told);
            told = now;
        }
    }
}
