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
 * <p>The layout: an unsigned 64-bit length, a JSON header of that many bytes, then the data of the tensors, row by row,
 * everything little-endian. The header maps each name to its type, its shape and its range of bytes, counted from the
 * end of the header; under {@code __metadata__} it may hold texts. The ranges cover the data without overlap and
 * without gaps.
 *
 * <p>Nothing in the file is trusted: whatever contradicts the format is a {@link FormatException} that names the tensor,
 * thrown on opening. The values of the tensors are not looked at.
 *
 * <p>Segments handed out live until {@link #close}; reading one afterwards throws {@link IllegalStateException}. Any
 * thread may read and close.
 */
public final class SafetensorsFile implements AutoCloseable {

    /** The longest header, in bytes, that the format allows. */
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

    /** The element types of the format that this reader knows. */
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
     * One tensor of a file.
     *
     * @param shape the sizes of its dimensions, outermost first; empty for a single number
     * @param data its elements row by row, little-endian, read-only; the address need not be a multiple of the
     *     element's size, so read it with an unaligned layout or copy it
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

    /** Maps the file and checks its header against its length. */
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

    /** The tensor of that name; where there is none, the error names the nearest ones. */
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

    /** The texts under {@code __metadata__}. */
    public Map<String, String> metadata() {
        return metadata;
    }

    /** The SHA-256 of the whole file as 64 lower-case hexadecimal digits; reads all of it. */
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
     * The bytes that a tensor takes.
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
