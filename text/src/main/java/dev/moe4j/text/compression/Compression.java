package dev.moe4j.text.compression;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import org.tukaani.xz.XZInputStream;

/** What the first bytes of a file say about how to read it; the name does not matter. */
public enum Compression {
    NONE(),
    GZIP(0x1f, 0x8b),
    ZSTD(0x28, 0xb5, 0x2f, 0xfd),
    /** A frame of other data before a zstd frame; the lowest four bits of its first byte are any. */
    ZSTD_SKIPPABLE(0x50, 0x2a, 0x4d, 0x18),
    XZ(0xfd, '7', 'z', 'X', 'Z', 0),
    /** An archive, which is not read as a stream. */
    ZIP('P', 'K', 3, 4),
    EMPTY_ZIP('P', 'K', 5, 6),
    /** Not compressed as a whole, and not read as a stream. */
    PARQUET('P', 'A', 'R', '1');

    /** The longest magic number. */
    private static final int HEAD = 6;

    private static final int BUFFER = 1 << 16;

    /** xz says how much memory it needs, up to 4 GiB; its highest preset takes 65 MiB. */
    private static final int XZ_MEMORY_KIB = 1 << 18;

    @SuppressWarnings("ImmutableEnumChecker") // written once
    private final byte[] magic;

    Compression(int... magic) {
        this.magic = new byte[magic.length];
        for (int i = 0; i < magic.length; i++) {
            this.magic[i] = (byte) magic[i];
        }
    }

    private boolean begins(byte[] head) {
        if (magic.length == 0 || head.length < magic.length) {
            return false;
        }
        byte first = this == ZSTD_SKIPPABLE ? (byte) (head[0] & 0xf0) : head[0];
        return first == magic[0] && Arrays.equals(head, 1, magic.length, magic, 1, magic.length);
    }

    /** By the first bytes of a stream, which are then gone. */
    public static Compression of(InputStream in) throws IOException {
        byte[] head = in.readNBytes(HEAD);
        for (Compression compression : values()) {
            if (compression.begins(head)) {
                return compression;
            }
        }
        return NONE;
    }

    public boolean isArchive() {
        return this == ZIP || this == EMPTY_ZIP;
    }

    /**
     * A stream from its beginning, and what it is.
     *
     * @param bytes uncompressed; those of an archive or of Parquet as they are
     */
    public record Opened(Compression compression, InputStream bytes) {}

    /** Opens a stream, which is closed with the result or if this fails. */
    public static Opened open(InputStream raw) throws IOException {
        try {
            BufferedInputStream buffered = new BufferedInputStream(raw, BUFFER);
            buffered.mark(HEAD);
            Compression compression = of(buffered);
            buffered.reset();
            return new Opened(
                    compression,
                    switch (compression) {
                        case NONE, ZIP, EMPTY_ZIP, PARQUET -> buffered;
                        case GZIP -> new GzipStream(buffered);
                        case ZSTD, ZSTD_SKIPPABLE -> new ZstdInputStream(buffered).setLongMax(31);
                        case XZ -> new XZInputStream(buffered, XZ_MEMORY_KIB);
                    });
        } catch (IOException | RuntimeException e) {
            raw.close();
            throw e;
        }
    }
}
