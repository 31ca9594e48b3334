package dev.moe4j.text.source;

import java.io.ByteArrayInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.function.LongConsumer;

/**
 * Tracks the progress of reading a file, in bytes on disk. It reports progress only when a document is passed on. A file
 * may be opened several times, and only the last pass produces documents.
 */
final class ReadProgress {
    private final LongConsumer out;
    private long size;
    private double position;
    private long reported;

    /**
     * Creates a tracker.
     *
     * @param out receives the number of bytes read since its last call
     */
    ReadProgress(LongConsumer out) {
        this.out = out;
    }

    /** Resets the counters for a file of the given size on disk, in bytes. */
    void begin(long bytes) {
        size = bytes;
        position = 0;
        reported = 0;
    }

    /** Counts the bytes of a new pass over the file. */
    InputStream count(InputStream in) {
        return count(in, 1);
    }

    /** Reads the uncompressed content from memory and scales the count to the size on disk. */
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

    /** Counts and reports a part of the file that was read, such as an archive entry. */
    void add(long bytes) {
        position += bytes;
        report((long) position);
    }

    /** Reports progress because a document was passed on. */
    void document() {
        report((long) position);
    }

    /** Reports the rest of the file as read. */
    void end() {
        report(size);
    }

    private void report(long at) {
        long now = Math.min(at, size);
        if (now > reported) {
            out.accept(now - reported);
            reported = now;
        }
    }
}
