package dev.moe4j.text.source;

import dev.moe4j.text.DataException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/** Reads the entries of a zip archive in archive order. It enforces the size limits and verifies the checksums. */
final class ZipText implements AutoCloseable {
    private final ZipFile zip;
    private final Path path;
    private final long size;
    private final Limits limits;
    private long before;
    private long current;

    ZipText(Path path, Limits limits) throws IOException {
        this.path = path;
        this.limits = limits;
        this.size = Files.size(path);
        this.zip = new ZipFile(path.toFile(), StandardCharsets.UTF_8);
    }

    Iterator<? extends ZipEntry> entries() {
        return zip.stream().filter(e -> !e.isDirectory()).iterator();
    }

    InputStream open(ZipEntry entry) throws IOException {
        InputStream in = zip.getInputStream(entry);
        if (in == null) {
            throw new ZipException("no such entry");
        }
        return new Entry(in, entry);
    }

    /** Adds the size of the current entry to the archive's total. An entry that was opened twice counts once. */
    void endEntry() {
        before += current;
        current = 0;
    }

    @Override
    public void close() throws IOException {
        zip.close();
    }

    private final class Entry extends FilterInputStream {
        private final ZipEntry entry;
        private final CRC32 crc = new CRC32();
        private long count;

        Entry(InputStream in, ZipEntry entry) {
            super(in);
            this.entry = entry;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] into, int at, int length) throws IOException {
            int n = super.read(into, at, length);
            if (n < 0) {
                if (entry.getCrc() != -1 && entry.getCrc() != crc.getValue()) {
                    throw new ZipException("its checksum is wrong");
                }
                return n;
            }
            crc.update(into, at, n);
            count += n;
            current = Math.max(current, count);
            limits.check(
                    "the entry " + DataException.oneLine(entry.getName()) + " of " + path,
                    count,
                    Math.max(0, entry.getCompressedSize()),
                    limits.entryBytes());
            limits.check("the archive " + path, before + count, size, limits.archiveBytes());
            return n;
        }

        @Override
        public long skip(long n) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean markSupported() {
            return false;
        }
    }
}
