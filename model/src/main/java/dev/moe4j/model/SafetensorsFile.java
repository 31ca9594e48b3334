package dev.moe4j.model;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * A .safetensors file, mapped into memory for reading.
 *
 * <p>The layout: an unsigned 64-bit length, a JSON header of that many bytes, then the data of the tensors, row by row,
 * everything little-endian. The header maps each name to its type, its shape and its range of bytes, counted from the
 * end of the header; under {@code __metadata__} it may hold texts. The ranges cover the data without overlap and
 * without gaps.
 *
 * <p>Nothing in the file is trusted: whatever contradicts the format is a {@link ModelException} that names the tensor,
 * thrown on opening. The values of the tensors are not looked at.
 *
 * <p>Segments handed out live until {@link #close}; reading one afterwards throws {@link IllegalStateException}. Any
 * thread may read and close.
 */
public final class SafetensorsFile implements AutoCloseable {

    /** The longest header, in bytes, that the format allows. */
    static final long MAX_HEADER_BYTES = 100_000_000;

    static final String METADATA = "__metadata__";

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(32)
                    .maxNumberLength(64)
                    .maxNameLength(65_536)
                    .maxStringLength(Math.toIntExact(MAX_HEADER_BYTES))
                    .build())
            .build();

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
                Header header = new Header(path, content);
                return new SafetensorsFile(path, arena, content, header.entries, header.metadata);
            } catch (Throwable t) {
                arena.close();
                throw t;
            }
        } catch (NoSuchFileException e) {
            throw new ModelException(path + " does not exist", e);
        } catch (IOException e) {
            String reason = Files.isDirectory(path) ? "it is a folder" : e.getMessage();
            throw new ModelException("Cannot read " + path + ": " + reason, e);
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
        List<String> nearest = Nearest.names(name, entries.keySet(), 3);
        throw new ModelException(path + " has no tensor " + name
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
        MessageDigest digest = newSha256();
        byte[] chunk = new byte[1 << 20];
        for (long at = 0; at < content.byteSize(); at += chunk.length) {
            int length = (int) Math.min(chunk.length, content.byteSize() - at);
            MemorySegment.copy(content, ValueLayout.JAVA_BYTE, at, chunk, 0, length);
            digest.update(chunk, 0, length);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }

    static MessageDigest newSha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
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

    /** Reads and checks the header. */
    private static final class Header {

        final Map<String, Entry> entries;
        Map<String, String> metadata = Map.of();

        private final Path path;
        private final MemorySegment data;

        Header(Path path, MemorySegment content) {
            this.path = path;
            if (content.byteSize() < Long.BYTES) {
                throw damaged("it has " + content.byteSize() + " bytes, too few for a header");
            }
            long length = content.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
            if (length < 0 || length > MAX_HEADER_BYTES) {
                throw damaged("its header claims " + Long.toUnsignedString(length) + " bytes, more than the "
                        + MAX_HEADER_BYTES + " that are allowed");
            }
            if (length > content.byteSize() - Long.BYTES) {
                throw damaged("its header claims " + length + " bytes, but only " + (content.byteSize() - Long.BYTES)
                        + " follow");
            }
            this.data = content.asSlice(Long.BYTES + length);
            String json = text(content.asSlice(Long.BYTES, length));
            if (!json.startsWith("{")) {
                throw damaged("its header does not begin with {");
            }
            List<Range> ranges = new ArrayList<>();
            try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), json)) {
                parse(parser, ranges);
            } catch (JacksonException e) {
                throw new ModelException(
                        path + " is no valid safetensors file: its header is no valid JSON: "
                                + firstLine(e.getOriginalMessage()),
                        e);
            }
            this.entries = Collections.unmodifiableMap(checked(ranges));
        }

        @SuppressWarnings("ArrayRecordComponent") // never compared
        private record Range(String name, Type type, long[] shape, long begin, long end) {}

        private String text(MemorySegment bytes) {
            try {
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(bytes.toArray(ValueLayout.JAVA_BYTE)))
                        .toString();
            } catch (CharacterCodingException e) {
                throw damaged("its header is not UTF-8");
            }
        }

        private void parse(JsonParser parser, List<Range> ranges) {
            expect(parser.nextToken(), JsonToken.START_OBJECT, "the header");
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                parser.nextToken();
                if (name.equals(METADATA)) {
                    metadata = metadata(parser);
                } else {
                    ranges.add(range(parser, name));
                }
            }
            if (parser.nextToken() != null) {
                throw damaged("something follows the JSON object in its header");
            }
        }

        private Map<String, String> metadata(JsonParser parser) {
            expect(parser.currentToken(), JsonToken.START_OBJECT, METADATA);
            Map<String, String> texts = new LinkedHashMap<>();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String key = parser.currentName();
                expect(parser.nextToken(), JsonToken.VALUE_STRING, METADATA + "." + key);
                texts.put(key, parser.getString());
            }
            return Collections.unmodifiableMap(texts);
        }

        private Range range(JsonParser parser, String name) {
            expect(parser.currentToken(), JsonToken.START_OBJECT, "tensor " + name);
            @Nullable Type type = null;
            long @Nullable [] shape = null;
            long @Nullable [] offsets = null;
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "dtype" -> type = type(parser, name);
                    case "shape" -> shape = longs(parser, name, field);
                    case "data_offsets" -> offsets = longs(parser, name, field);
                    default -> parser.skipChildren();
                }
            }
            if (type == null || shape == null || offsets == null) {
                throw damaged("tensor " + name + " lacks its "
                        + (type == null ? "dtype" : shape == null ? "shape" : "data_offsets"));
            }
            if (offsets.length != 2) {
                throw damaged("tensor " + name + " has " + offsets.length + " data_offsets instead of two");
            }
            return new Range(name, type, shape, offsets[0], offsets[1]);
        }

        private Type type(JsonParser parser, String name) {
            expect(parser.currentToken(), JsonToken.VALUE_STRING, "the dtype of tensor " + name);
            String wanted = parser.getString();
            for (Type type : Type.values()) {
                if (type.name().equals(wanted)) {
                    return type;
                }
            }
            throw new ModelException(path + ": tensor " + name + " has the dtype " + wanted
                    + ", which is not supported; known are " + Arrays.toString(Type.values()));
        }

        private long[] longs(JsonParser parser, String name, String field) {
            String what = "the " + field + " of tensor " + name;
            expect(parser.currentToken(), JsonToken.START_ARRAY, what);
            long[] values = new long[4];
            int count = 0;
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                expect(parser.currentToken(), JsonToken.VALUE_NUMBER_INT, what);
                if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                    throw damaged(what + " has the number " + parser.getString() + ", beyond 64 bits");
                }
                if (parser.getLongValue() < 0) {
                    throw damaged(what + " has the negative number " + parser.getString());
                }
                if (count == values.length) {
                    values = Arrays.copyOf(values, 2 * count);
                }
                values[count++] = parser.getLongValue();
            }
            return Arrays.copyOf(values, count);
        }

        /** The entries in the order of their data, once each range fits its shape and all together cover the data. */
        private Map<String, Entry> checked(List<Range> ranges) {
            for (Range range : ranges) {
                long bytes;
                try {
                    bytes = byteSize(range.type, range.shape);
                } catch (ArithmeticException e) {
                    throw damaged("tensor " + range.name + " has the impossible shape " + Arrays.toString(range.shape));
                }
                if (range.begin > range.end) {
                    throw damaged(
                            "tensor " + range.name + " ends at " + range.end + " before its begin at " + range.begin);
                }
                if (range.end - range.begin != bytes) {
                    throw damaged("tensor " + range.name + " has " + (range.end - range.begin) + " bytes, but "
                            + range.type + " " + Arrays.toString(range.shape) + " takes " + bytes);
                }
                if (range.end > data.byteSize()) {
                    throw damaged("tensor " + range.name + " ends at byte " + range.end + " of the data, of which "
                            + data.byteSize() + " are there; the file may be cut short, so copy it again");
                }
            }
            ranges.sort(Comparator.comparingLong(Range::begin).thenComparingLong(Range::end));
            Map<String, Entry> found = new LinkedHashMap<>();
            long covered = 0;
            for (Range range : ranges) {
                if (range.begin < covered) {
                    throw damaged("tensor " + range.name + " overlaps the one before it");
                }
                if (range.begin > covered) {
                    throw damaged("bytes " + covered + " to " + range.begin + " of the data, before tensor "
                            + range.name + ", belong to no tensor");
                }
                covered = range.end;
                MemorySegment bytes = data.asSlice(range.begin, range.end - range.begin);
                found.put(range.name, new Entry(range.name, range.type, range.shape, bytes));
            }
            if (covered < data.byteSize()) {
                throw damaged("the last " + (data.byteSize() - covered) + " bytes belong to no tensor");
            }
            return found;
        }

        private void expect(@Nullable JsonToken token, JsonToken expected, String what) {
            if (token != expected) {
                throw damaged(what + " should be " + words(expected) + " and is " + words(token));
            }
        }

        private static String words(@Nullable JsonToken token) {
            return switch (token) {
                case START_OBJECT -> "an object";
                case START_ARRAY -> "a list";
                case VALUE_STRING -> "a text";
                case VALUE_NUMBER_INT -> "a whole number";
                case VALUE_NUMBER_FLOAT -> "a fraction";
                case VALUE_TRUE, VALUE_FALSE -> "a truth value";
                case VALUE_NULL -> "null";
                case null, default -> "nothing";
            };
        }

        private ModelException damaged(String how) {
            return new ModelException(path + " is no valid safetensors file: " + how);
        }
    }

    /** The first line of a library's message, which may go on with excerpts and positions. */
    static String firstLine(@Nullable String message) {
        return message == null ? "" : message.lines().findFirst().orElse("");
    }
}
