package dev.moe4j.console.output;

import java.nio.file.Path;
import tools.jackson.core.JsonGenerator;
import tools.jackson.databind.MapperFeature;
import tools.jackson.databind.PropertyNamingStrategies;
import tools.jackson.databind.SerializationContext;
import tools.jackson.databind.ValueSerializer;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.module.SimpleModule;

/**
 * JSON of results: a record's components in declaration order, names in snake_case, null for numbers that are not
 * finite.
 */
public final class ResultJson {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .disable(MapperFeature.SORT_PROPERTIES_ALPHABETICALLY)
            .addModule(new SimpleModule()
                    .addSerializer(Double.class, new Finite<>())
                    .addSerializer(Double.TYPE, new Finite<>())
                    .addSerializer(Float.class, new Finite<>())
                    .addSerializer(Float.TYPE, new Finite<>())
                    .addSerializer(Path.class, new PathText()))
            .build();

    private ResultJson() {}

    /** Returns {@code value} as one line of JSON. */
    public static String line(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    /** Reads a record from the JSON that {@link #line} wrote. */
    public static <T> T read(String line, Class<T> type) {
        return MAPPER.readValue(line, type);
    }

    private static final class Finite<T extends Number> extends ValueSerializer<T> {
        @Override
        public void serialize(T value, JsonGenerator json, SerializationContext context) {
            if (!Double.isFinite(value.doubleValue())) {
                json.writeNull();
            } else if (value instanceof Float f) {
                json.writeNumber(f);
            } else {
                json.writeNumber(value.doubleValue());
            }
        }
    }

    private static final class PathText extends ValueSerializer<Path> {
        @Override
        public void serialize(Path value, JsonGenerator json, SerializationContext context) {
            json.writeString(value.toString());
        }
    }
}
