package dev.moe4j.text.compression;

import java.io.ByteArrayOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** Reads a stream and keeps a copy of the bytes read, up to a limit. */
public final class RecordingStream extends FilterInputStream {
    private final int limit;
    private ByteArrayOutputStream kept = new ByteArrayOutputStream();
    private boolean complete = true;

    /** Wraps a stream. After more than {@code limit} bytes, the copy is discarded. */
    public RecordingStream(InputStream in, int limit) {
        super(in);
        this.limit = limit;
    }

    /** Whether the copy has all bytes read so far. */
    public boolean complete() {
        return complete;
    }

    /** Returns the copy; empty if it was discarded. */
    public byte[] content() {
        return kept.toByteArray();
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
    }

    @Override
    public int read(byte[] into, int at, int length) throws IOException {
        int n = super.read(into, at, length);
        if (n > 0 && complete) {
            if (kept.size() + n > limit) {
                complete = false;
                kept = new ByteArrayOutputStream(0);
            } else {
                kept.write(into, at, n);
            }
        }
        return n;
    }
}
