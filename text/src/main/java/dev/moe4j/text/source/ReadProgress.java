package dev.moe4j.text.source;

import java.io.ByteArrayInputStream;
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
    private double position;
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

    /** Counts the bytes that are read from the beginning of the file. */
    InputStream count(InputStream in) {
        return count(in, 1);
    }

    /** Reads the file's content, which is in memory, and counts it as if it came evenly from the disk. */
    InputStream replay(byte[] content) {
        return count(new ByteArrayInputStream(content), (double) size / Math.max(1, content.length));
    }

    private InputStream count(InputStream in, double bytesOnDisk) {
        position = 0;
        return new FilterInputStream(in) {
            @Override
            public int read() throws IOException {
                int read = super.read();
                position += read < 0 ? 0 : bytesOnDisk;
                return read;
            }

            @Override
            public int read(byte[] into, int at, int length) throws IOException {
                int n = super.read(into, at, length);
                position += Math.max(0, n) * bytesOnDisk;
                return n;
            }
        };
    }

    /** Counts a piece of the file that was read, such as an entry of an archive. */
    void add(long bytes) {
        position += bytes;
        tell((long) position);
    }

    /** Says that a document was given on. */
    void document() {
        tell((long) position);
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
