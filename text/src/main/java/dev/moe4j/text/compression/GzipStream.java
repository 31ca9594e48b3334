package dev.moe4j.text.compression;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.util.zip.CRC32;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import java.util.zip.ZipException;

/**
 * Decompresses a sequence of gzip members (RFC 1952). Zero bytes after the last member are padding, as in {@code gzip};
 * any other trailing byte is an error.
 *
 * <p>{@link java.util.zip.GZIPInputStream} has two faults that would lose text. It stops when no byte is available, which
 * happens on a pipe between two writes, and it ignores all bytes after the last complete member.
 */
public final class GzipStream extends InflaterInputStream {
    private static final int BUFFER = 1 << 16;

    private static final int DEFLATE = 8;
    private static final int HAS_CHECKSUM = 1 << 1;
    private static final int HAS_EXTRA = 1 << 2;
    private static final int HAS_NAME = 1 << 3;
    private static final int HAS_COMMENT = 1 << 4;

    private final CRC32 checksum = new CRC32();
    private boolean ended;

    /**
     * Starts to decompress. Closing this stream closes {@code in}.
     *
     * @throws ZipException if {@code in} does not start with a gzip member
     */
    public GzipStream(InputStream in) throws IOException {
        super(in, new Inflater(true), BUFFER);
        if (nextByte() != 0x1f) {
            throw new ZipException("not a gzip member");
        }
        readHeader();
    }

    @Override
    public int read(byte[] into, int at, int length) throws IOException {
        while (!ended) {
            int n = super.read(into, at, length);
            if (n >= 0) {
                checksum.update(into, at, n);
                return n;
            }
            readTrailer();
            ended = !nextMember();
        }
        return -1;
    }

    private void readTrailer() throws IOException {
        long expected = number(4);
        long size = number(4);
        if (expected != checksum.getValue() || size != (inf.getBytesWritten() & 0xffff_ffffL)) {
            throw new ZipException("a gzip member does not have its checksum and length");
        }
    }

    /** Advances to the content of the next member; returns false at the end of the stream. */
    private boolean nextMember() throws IOException {
        int first = nextByte();
        if (first == 0) {
            while (first == 0) {
                first = nextByte();
            }
            if (first >= 0) {
                throw trailingData();
            }
        }
        if (first < 0) {
            return false;
        }
        if (first != 0x1f) {
            throw trailingData();
        }
        int buffered = inf.getRemaining();
        inf.reset();
        inf.setInput(buf, len - buffered, buffered);
        checksum.reset();
        readHeader();
        return true;
    }

    private static ZipException trailingData() {
        return new ZipException("trailing data after the last gzip member");
    }

    /** Reads the rest of a header, after its first byte. */
    private void readHeader() throws IOException {
        if (nextByte() != 0x8b) {
            throw trailingData();
        }
        if (number(1) != DEFLATE) {
            throw new ZipException("an unknown compression method in a gzip member");
        }
        long flags = number(1);
        number(6); // modification time, compression level, operating system
        if ((flags & HAS_EXTRA) != 0) {
            for (long left = number(2); left > 0; left--) {
                number(1);
            }
        }
        if ((flags & HAS_NAME) != 0) {
            skipText();
        }
        if ((flags & HAS_COMMENT) != 0) {
            skipText();
        }
        if ((flags & HAS_CHECKSUM) != 0) {
            number(2);
        }
    }

    private void skipText() throws IOException {
        long last = number(1);
        while (last != 0) {
            last = number(1);
        }
    }

    /** Reads a little-endian number. */
    private long number(int bytes) throws IOException {
        long number = 0;
        for (int i = 0; i < bytes; i++) {
            int next = nextByte();
            if (next < 0) {
                throw new EOFException("a gzip member is cut short");
            }
            number |= (long) next << (8 * i);
        }
        return number;
    }

    /** Returns the next byte of a header or trailer; -1 at the end of the stream. */
    private int nextByte() throws IOException {
        int buffered = inf.getRemaining();
        if (buffered == 0) {
            return in.read();
        }
        int at = len - buffered;
        inf.setInput(buf, at + 1, buffered - 1);
        return buf[at] & 0xff;
    }

    @Override
    public void close() throws IOException {
        try (Inflater _ = inf) {
            super.close();
        }
    }
}
