package dev.moe4j.formats.safetensors;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.formats.FormatException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/** Reads and validates the header of a .safetensors file. {@link SafetensorsFile} documents the format. */
final class SafetensorsHeader {

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(32)
                    .maxNumberLength(64)
                    .maxNameLength(65_536)
                    .maxStringLength(Math.toIntExact(SafetensorsFile.MAX_HEADER_BYTES))
                    .build())
            .build();

    @SuppressWarnings("ArrayRecordComponent") // never compared
    private record Range(String name, SafetensorsFile.Type type, long[] shape, long begin, long end) {}

    private final Map<String, SafetensorsFile.Entry> entries;
    private Map<String, String> metadata = Map.of();
    private final Path path;
    private final MemorySegment data;

    /** @throws FormatException for any violation of the format; the message names the tensor, if any */
    SafetensorsHeader(Path path, MemorySegment content) {
        this.path = path;
        if (content.byteSize() < Long.BYTES) {
            throw damaged("it has " + content.byteSize() + " bytes, too few for a header");
        }
        long length = content.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
        if (length < 0 || length > SafetensorsFile.MAX_HEADER_BYTES) {
            throw damaged("its header claims " + Long.toUnsignedString(length) + " bytes, more than the "
                    + SafetensorsFile.MAX_HEADER_BYTES + " that are allowed");
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
            throw new FormatException(
                    path + " is not a valid safetensors file: its header is not valid JSON: "
                            + FirstLine.of(e.getOriginalMessage()),
                    e);
        }
        this.entries = Collections.unmodifiableMap(checked(ranges));
    }

    /** The tensors by their names, in the order of their data. */
    Map<String, SafetensorsFile.Entry> entries() {
        return entries;
    }

    /** The strings under {@code __metadata__}. */
    Map<String, String> metadata() {
        return metadata;
    }

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
            if (name.equals(SafetensorsFile.METADATA)) {
                metadata = metadata(parser);
            } else {
                ranges.add(range(parser, name));
            }
        }
        if (parser.nextToken() != null) {
            throw damaged("its header has trailing data after the JSON object");
        }
    }

    private Map<String, String> metadata(JsonParser parser) {
        expect(parser.currentToken(), JsonToken.START_OBJECT, SafetensorsFile.METADATA);
        Map<String, String> texts = new LinkedHashMap<>();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            expect(parser.nextToken(), JsonToken.VALUE_STRING, SafetensorsFile.METADATA + "." + key);
            texts.put(key, parser.getString());
        }
        return Collections.unmodifiableMap(texts);
    }

    private Range range(JsonParser parser, String name) {
        expect(parser.currentToken(), JsonToken.START_OBJECT, "tensor " + name);
        SafetensorsFile.@Nullable Type type = null;
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

    private SafetensorsFile.Type type(JsonParser parser, String name) {
        expect(parser.currentToken(), JsonToken.VALUE_STRING, "the dtype of tensor " + name);
        String wanted = parser.getString();
        for (SafetensorsFile.Type type : SafetensorsFile.Type.values()) {
            if (type.name().equals(wanted)) {
                return type;
            }
        }
        throw new FormatException(path + ": tensor " + name + " has the dtype " + wanted
                + ", which is not supported; known are " + Arrays.toString(SafetensorsFile.Type.values()));
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

    /** Checks that each range fits its shape, and that the ranges cover the data. Returns the entries in data order. */
    private Map<String, SafetensorsFile.Entry> checked(List<Range> ranges) {
        for (Range range : ranges) {
            long bytes;
            try {
                bytes = SafetensorsFile.byteSize(range.type, range.shape);
            } catch (ArithmeticException e) {
                throw damaged("tensor " + range.name + " has the impossible shape " + Arrays.toString(range.shape));
            }
            if (range.begin > range.end) {
                throw damaged("tensor " + range.name + " ends at " + range.end + " before its begin at " + range.begin);
            }
            if (range.end - range.begin != bytes) {
                throw damaged("tensor " + range.name + " has " + (range.end - range.begin) + " bytes, but " + range.type
                        + " " + Arrays.toString(range.shape) + " takes " + bytes);
            }
            if (range.end > data.byteSize()) {
                throw damaged("tensor " + range.name + " ends at byte " + range.end + " of the data, of which "
                        + data.byteSize() + " are there; the file may be cut short, so copy it again");
            }
        }
        ranges.sort(Comparator.comparingLong(Range::begin).thenComparingLong(Range::end));
        Map<String, SafetensorsFile.Entry> found = new LinkedHashMap<>();
        long covered = 0;
        for (Range range : ranges) {
            if (range.begin < covered) {
                throw damaged("tensor " + range.name + " overlaps the one before it");
            }
            if (range.begin > covered) {
                throw damaged("bytes " + covered + " to " + range.begin + " of the data, before tensor " + range.name
                        + ", belong to no tensor");
            }
            covered = range.end;
            MemorySegment bytes = data.asSlice(range.begin, range.end - range.begin);
            found.put(range.name, new SafetensorsFile.Entry(range.name, range.type, range.shape, bytes));
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

    private FormatException damaged(String how) {
        return new FormatException(path + " is not a valid safetensors file: " + how);
    }
}
