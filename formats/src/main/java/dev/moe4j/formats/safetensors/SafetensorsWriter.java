package dev.moe4j.formats.safetensors;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.file.FullDisk;
import dev.moe4j.formats.FormatException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.json.JsonFactory;

/**
 * Writes a .safetensors file in chunks of bounded memory. {@link #declare} all tensors, then {@link #write} the data of each
 * tensor in the same order, then {@link #commit}.
 *
 * <p>The target is an {@link AtomicFile}, so a reader never finds an incomplete file. Closing without a commit, or after an
 * error, leaves an existing target unchanged.
 *
 * <p>The header is padded with spaces so that the data begins at a multiple of 8 bytes. Tensors follow each other without gaps. To
 * align all tensors of a file with several types, declare the wider types first.
 *
 * <p>Not thread-safe.
 */
public final class SafetensorsWriter implements AutoCloseable {

    private static final int ALIGNMENT = 8;
    private static final int CHUNK = 1 << 20;

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Declared(SafetensorsFile.Type type, long[] shape, long bytes) {}

    private final Path target;
    private final AtomicFile file;
    private final WritableByteChannel out;
    private final MessageDigest digest = Sha256.digest();
    private final byte[] chunk = new byte[CHUNK];

    private final Map<String, String> metadata;
    private final Map<String, Declared> declared = new LinkedHashMap<>();
    private List<String> order = List.of();
    private boolean headerWritten;
    private int current; // index in order of the tensor whose data comes next
    private long missing; // bytes of that tensor still to come

    /**
     * Creates a temporary file in the target's folder.
     *
     * @param metadata the strings to store in the header under {@code __metadata__}
     * @throws FormatException if the file cannot be created
     */
    public SafetensorsWriter(Path target, Map<String, String> metadata) {
        this(target, metadata, channel -> channel);
    }

    /** For tests: {@code wrap} wraps the file's channel. */
    SafetensorsWriter(Path target, Map<String, String> metadata, UnaryOperator<WritableByteChannel> wrap) {
        this.target = target.toAbsolutePath();
        this.metadata = new LinkedHashMap<>(metadata);
        try {
            this.file = new AtomicFile(this.target);
        } catch (IOException e) {
            throw failed(e);
        }
        this.out = wrap.apply(file.channel());
    }

    /**
     * Declares a tensor. The data must be written in the order of declarations.
     *
     * @param shape the sizes of the dimensions, outermost first; none for a scalar
     * @throws IllegalArgumentException if the name is reserved or declared already, or the shape is not valid
     * @throws IllegalStateException if data has been written already
     */
    public void declare(String name, SafetensorsFile.Type type, long... shape) {
        if (headerWritten) {
            throw new IllegalStateException("declare " + name + " before the first data is written");
        }
        if (name.equals(SafetensorsFile.METADATA)) {
            throw new IllegalArgumentException(name + " is a reserved name");
        }
        long bytes;
        try {
            bytes = SafetensorsFile.byteSize(type, shape);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("impossible shape " + Arrays.toString(shape) + " of " + name, e);
        }
        if (declared.putIfAbsent(name, new Declared(type, shape.clone(), bytes)) != null) {
            throw new IllegalArgumentException(name + " is declared twice");
        }
    }

    /**
     * Writes the next tensor's data, or the next part of it.
     *
     * @param data elements in row-major order, little-endian
     * @throws IllegalArgumentException if the data exceeds the tensor's size
     * @throws IllegalStateException if a different tensor is due
     * @throws FormatException if the file cannot be written
     */
    public void write(String name, MemorySegment data) {
        writeHeader();
        if (current == order.size() || !order.get(current).equals(name)) {
            throw new IllegalStateException("data of " + name + " came where "
                    + (current == order.size() ? "nothing" : order.get(current)) + " was due");
        }
        if (data.byteSize() > missing) {
            throw new IllegalArgumentException(
                    data.byteSize() + " bytes for " + name + ", which takes only " + missing + " more");
        }
        for (long at = 0; at < data.byteSize(); at += CHUNK) {
            int length = (int) Math.min(CHUNK, data.byteSize() - at);
            MemorySegment.copy(data, ValueLayout.JAVA_BYTE, at, chunk, 0, length);
            put(chunk, length);
        }
        missing -= data.byteSize();
        if (missing == 0) {
            next();
        }
    }

    /**
     * Forces the complete file to the disk and gives it its name.
     *
     * @return the SHA-256 of the file as 64 lower-case hexadecimal digits
     * @throws IllegalStateException if data is missing
     * @throws FormatException if the file cannot be written
     */
    public String commit() {
        writeHeader();
        if (current < order.size()) {
            throw new IllegalStateException(missing + " bytes of " + order.get(current) + " were never written");
        }
        try {
            file.commit();
        } catch (IOException e) {
            throw failed(e);
        }
        return Sha256.hex(digest);
    }

    /** Deletes the temporary file unless it was committed. */
    @Override
    public void close() {
        try {
            file.close();
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private void writeHeader() {
        if (headerWritten) {
            return;
        }
        byte[] header = header();
        refuseIfTooLarge(header.length);
        headerWritten = true;
        order = List.copyOf(declared.keySet());
        put(header, header.length);
        current = -1;
        next();
    }

    /** Moves to the next tensor that has any data. */
    private void next() {
        do {
            current++;
            missing = current < order.size() ? declaredAt(current).bytes : 0;
        } while (current < order.size() && missing == 0);
    }

    private Declared declaredAt(int index) {
        return Objects.requireNonNull(declared.get(order.get(index)));
    }

    private byte[] header() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        bytes.writeBytes(new byte[Long.BYTES]);
        try (JsonGenerator json = new JsonFactory().createGenerator(ObjectWriteContext.empty(), bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectPropertyStart(SafetensorsFile.METADATA);
                metadata.forEach(json::writeStringProperty);
                json.writeEndObject();
            }
            long offset = 0;
            for (var entry : declared.entrySet()) {
                Declared tensor = entry.getValue();
                json.writeObjectPropertyStart(entry.getKey());
                json.writeStringProperty("dtype", tensor.type.name());
                json.writeName("shape");
                json.writeArray(tensor.shape, 0, tensor.shape.length);
                json.writeName("data_offsets");
                json.writeArray(new long[] {offset, offset + tensor.bytes}, 0, 2);
                json.writeEndObject();
                offset += tensor.bytes;
            }
            json.writeEndObject();
        }
        while (bytes.size() % ALIGNMENT != 0) {
            bytes.write(' ');
        }
        byte[] header = bytes.toByteArray();
        int length = header.length - Long.BYTES;
        if (length > SafetensorsFile.MAX_HEADER_BYTES) {
            throw new FormatException("Cannot write " + target + ": a header of " + length + " bytes for "
                    + declared.size() + " tensors is longer than the format allows; use several files");
        }
        ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
        return header;
    }

    /** Fails before the first data is written if the disk is too small, instead of after hours of writing. */
    private void refuseIfTooLarge(long headerBytes) {
        long total = headerBytes;
        try {
            for (Declared tensor : declared.values()) {
                total = Math.addExact(total, tensor.bytes);
            }
        } catch (ArithmeticException e) {
            total = Long.MAX_VALUE;
        }
        long free;
        try {
            free = Files.getFileStore(file.temporary()).getUsableSpace();
        } catch (IOException e) {
            return; // unknown on some file systems; a full disk then fails while writing
        }
        if (total > free) {
            throw noSpace(total, free, null);
        }
    }

    private void put(byte[] bytes, int length) {
        digest.update(bytes, 0, length);
        ByteBuffer rest = ByteBuffer.wrap(bytes, 0, length);
        try {
            while (rest.hasRemaining()) {
                out.write(rest);
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private FormatException failed(IOException e) {
        if (FullDisk.explains(e)) {
            return noSpace(-1, usable(), e);
        }
        String reason = switch (e) {
            case NoSuchFileException _ -> "the folder " + target.getParent() + " does not exist";
            case AccessDeniedException _ -> "no permission to write into " + target.getParent();
            case ClosedByInterruptException _ -> "the thread was interrupted";
            default -> String.valueOf(e.getMessage());
        };
        return new FormatException("Cannot write " + target + ": " + reason, e);
    }

    private long usable() {
        try {
            return Files.getFileStore(target.getParent()).getUsableSpace();
        } catch (IOException e) {
            return 0;
        }
    }

    private FormatException noSpace(long needed, long free, @Nullable IOException cause) {
        String message = "Cannot write " + target + ": no space left on the device ("
                + (needed < 0 ? "" : needed + " bytes needed, ") + free
                + " free); free some or choose another folder";
        return cause == null ? new FormatException(message) : new FormatException(message, cause);
    }
}
