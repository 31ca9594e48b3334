package dev.moe4j.text.compression;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import org.tukaani.xz.XZInputStream;

/** The compression or container format of a file, detected from its first bytes. The file name is not used. */
public enum Compression {
    NONE(),
    GZIP(0x1f, 0x8b),
    ZSTD(0x28, 0xb5, 0x2f, 0xfd),
    /** A zstd skippable frame. The lowest four bits of its first byte are arbitrary. */
    ZSTD_SKIPPABLE(0x50, 0x2a, 0x4d, 0x18),
    XZ(0xfd, '7', 'z', 'X', 'Z', 0),
    /** A zip archive, which needs random access. */
    ZIP('P', 'K', 3, 4),
    EMPTY_ZIP('P', 'K', 5, 6),
    /** A Parquet file, which compresses its columns separately and needs random access. */
    PARQUET('P', 'A', 'R', '1');

    /** The longest magic number. */
    private static final int HEAD = 6;

    private static final int BUFFER = 1 << 16;

    /** An xz header may ask for up to 4 GiB of memory. The highest preset of xz needs 65 MiB. */
    private static final int XZ_MEMORY_KIB = 1 << 18;

    @SuppressWarnings("ImmutableEnumChecker") // not modified after construction
    private final byte[] magic;

    Compression(int... magic) {
        this.magic = new byte[magic.length];
        for (int i = 0; i < magic.length; i++) {
            this.magic[i] = (byte) magic[i];
        }
    }

    private boolean matches(byte[] head) {
        if (magic.length == 0 || head.length < magic.length) {
            return false;
        }
        byte first = this == ZSTD_SKIPPABLE ? (byte) (head[0] & 0xf0) : head[0];
        return first == magic[0] && Arrays.equals(head, 1, magic.length, magic, 1, magic.length);
    }

    /** Detects the format of a stream. This consumes the first bytes of the stream. */
    public static Compression of(InputStream in) throws IOException {
        byte[] head = in.readNBytes(HEAD);
        for (Compression compression : values()) {
            if (compression.matches(head)) {
                return compression;
            }
        }
        return NONE;
    }

    /** Whether the format is a zip archive. */
    public boolean isArchive() {
        return this == ZIP || this == EMPTY_ZIP;
    }

    /**
     * An opened stream and its format.
     *
     * @param bytes the uncompressed content; for archives and Parquet, the unchanged bytes
     */
    public record Opened(Compression compression, InputStream bytes) {}

    /**
     * Detects the format of a stream and decompresses it. Closing the result closes {@code raw}; a failure closes
     * {@code raw} too.
     */
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
