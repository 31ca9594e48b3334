package dev.moe4j.text.compression;

import java.io.ByteArrayOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/** A stream that keeps what is read, up to a number of bytes. */
public final class KeptStream extends FilterInputStream {
    private final int most;
    private ByteArrayOutputStream kept = new ByteArrayOutputStream();
    private boolean complete = true;

    public KeptStream(InputStream in, int most) {
        super(in);
        this.most = most;
    }

    /** Whether all bytes that were read are kept. */
    public boolean complete() {
        return complete;
    }

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
            if (kept.size() + n > most) {
                complete = false;
                kept = new ByteArrayOutputStream(0);
            } else {
                kept.write(into, at, n);
            }
        }
        return n;
    }
}
