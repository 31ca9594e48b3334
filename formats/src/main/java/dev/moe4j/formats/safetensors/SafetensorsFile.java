package dev.moe4j.formats.safetensors;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.text.NearestName;
import dev.moe4j.formats.FormatException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A .safetensors file, mapped into memory for reading.
 *
 * <p>The file consists of an unsigned 64-bit header length, a JSON header and the tensors' data in row-major order. Everything
 * is little-endian. The header maps each tensor's name to its type, its shape and its range of bytes, counted from the end of
 * the header. Under {@code __metadata__} it may hold strings. The ranges cover the data without overlaps and gaps.
 *
 * <p>Opening validates the header, because files may be hostile. Any violation of the format is a {@link FormatException}
 * that names the tensor. The tensors' values are not validated.
 *
 * <p>Memory segments are valid until {@link #close}. Later reads throw {@link IllegalStateException}. All methods are
 * thread-safe.
 */
public final class SafetensorsFile implements AutoCloseable {

    /** The maximum length of the header that the format allows. */
    static final long MAX_HEADER_BYTES = 100_000_000;

    static final String METADATA = "__metadata__";

    private final Path path;
    private final Arena arena;
    private final MemorySegment content;
    private final Map<String, Entry> entries;
    private final Map<String, String> metadata;

    private SafetensorsFile(
            Path path, Arena arena, MemorySegment content, Map<String, Entry> entries, Map<String, String> metadata) {
        this.path = path;
        this.arena = arena;
        this.content = content;
        this.entries = entries;
        this.metadata = metadata;
    }

    /** The supported element types of the format. */
    public enum Type {
        F64(8),
        F32(4),
        F16(2),
        BF16(2),
        I64(8),
        I32(4),
        I16(2),
        I8(1),
        U8(1),
        BOOL(1);

        private final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }

        /** The size of one element in bytes. */
        public int bytes() {
            return bytes;
        }
    }

    /**
     * A tensor of a file.
     *
     * @param shape the sizes of the dimensions, outermost first; empty for a scalar
     * @param data the elements in row-major order, little-endian and read-only. The address may be unaligned: use an
     *     unaligned layout or copy the data.
     */
    @SuppressWarnings("ArrayRecordComponent") // entries are compared by name, never as values
    public record Entry(String name, Type type, long[] shape, MemorySegment data) {

        public Entry {
            shape = shape.clone();
        }

        @Override
        public long[] shape() {
            return shape.clone();
        }

        /** The number of elements. */
        public long elements() {
            return data.byteSize() / type.bytes();
        }

        @Override
        public String toString() {
            return name + " " + type + " " + Arrays.toString(shape);
        }
    }

    /**
     * Maps a file into memory and validates its header.
     *
     * @throws FormatException if the file cannot be read or violates the format
     */
    @SuppressWarnings("MustBeClosedChecker") // the file closes the arena
    public static SafetensorsFile open(Path path) {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            Arena arena = Arena.ofShared();
            try {
                MemorySegment content = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
                SafetensorsHeader header = new SafetensorsHeader(path, content);
                return new SafetensorsFile(path, arena, content, header.entries(), header.metadata());
            } catch (Throwable t) {
                arena.close();
                throw t;
            }
        } catch (NoSuchFileException e) {
            throw new FormatException(path + " does not exist", e);
        } catch (IOException e) {
            String reason = Files.isDirectory(path) ? "it is a folder" : e.getMessage();
            throw new FormatException("Cannot read " + path + ": " + reason, e);
        }
    }

    public Path path() {
        return path;
    }

    /** The names of the tensors in the order of their data. */
    public Set<String> names() {
        return entries.keySet();
    }

    /**
     * Finds a tensor by its name.
     *
     * @throws FormatException if the file does not have the tensor; the message suggests similar names
     */
    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry != null) {
            return entry;
        }
        List<String> nearest = NearestName.names(name, entries.keySet(), 3);
        throw new FormatException(path + " has no tensor " + name
                + (nearest.isEmpty()
                        ? " (it holds " + entries.size() + " others)"
                        : "; the nearest it has: " + String.join(", ", nearest)));
    }

    /** The strings under {@code __metadata__}. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The SHA-256 of the complete file as 64 lower-case hexadecimal digits. This reads the complete file. */
    public String sha256() {
        MessageDigest digest = Sha256.digest();
        byte[] chunk = new byte[1 << 20];
        for (long at = 0; at < content.byteSize(); at += chunk.length) {
            int length = (int) Math.min(chunk.length, content.byteSize() - at);
            MemorySegment.copy(content, ValueLayout.JAVA_BYTE, at, chunk, 0, length);
            digest.update(chunk, 0, length);
        }
        return Sha256.hex(digest);
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    /**
     * The size of a tensor in bytes.
     *
     * @throws ArithmeticException if a dimension is negative or the product exceeds a long
     */
    static long byteSize(Type type, long[] shape) {
        long bytes = type.bytes();
        for (long size : shape) {
            if (size < 0) {
                throw new ArithmeticException("negative dimension");
            }
            bytes = Math.multiplyExact(bytes, size);
        }
        return bytes;
    }
}
