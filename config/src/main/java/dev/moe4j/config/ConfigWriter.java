package dev.moe4j.config;

import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Writes configuration records as JSON or YAML. {@link ConfigReader} reads an equal record back. */
public final class ConfigWriter {

    private static final Pattern PLAIN = Pattern.compile("[A-Za-z][A-Za-z0-9_./+-]*");
    private static final Pattern RESERVED =
            Pattern.compile("null|true|false|yes|no|on|off|y|n", Pattern.CASE_INSENSITIVE);

    private ConfigWriter() {}

    /** Converts a record to a JSON object with the same keys as in YAML. */
    public static ObjectNode toJson(Record config) {
        ObjectNode object = JsonNodeFactory.instance.objectNode();
        for (RecordComponent component : config.getClass().getRecordComponents()) {
            object.set(key(component), json(valueOf(component, config)));
        }
        return object;
    }

    /** Converts a record to YAML with all its keys. Reading the YAML gives an equal record, with any defaults. */
    public static String toYaml(Record config) {
        StringBuilder out = new StringBuilder();
        writeBlock(out, toJson(config), 0);
        return out.toString();
    }

    static @Nullable Object valueOf(RecordComponent component, Object record) {
        try {
            var accessor = component.getAccessor();
            accessor.setAccessible(true);
            return accessor.invoke(record);
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("cannot read " + component, e);
        }
    }

    /** The key of a component: {@code peak_rate} for {@code peakRate}, {@code use_kv_cache} for {@code useKVCache}. */
    public static String key(RecordComponent component) {
        return component
                .getName()
                .replaceAll("([a-z0-9])([A-Z])", "$1_$2")
                .replaceAll("([A-Z]+)([A-Z][a-z])", "$1_$2")
                .toLowerCase(Locale.ROOT);
    }

    static String constantName(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }

    private static JsonNode json(@Nullable Object value) {
        JsonNodeFactory factory = JsonNodeFactory.instance;
        return switch (value) {
            case null -> factory.nullNode();
            case Boolean b -> factory.booleanNode(b);
            case Integer i -> factory.numberNode(i);
            case Long l -> factory.numberNode(l);
            case Float f -> factory.numberNode(f);
            case Double d -> factory.numberNode(d);
            case String s -> factory.stringNode(s);
            case Path p -> factory.stringNode(p.toString());
            case Enum<?> e -> factory.stringNode(constantName(e));
            case Record r -> toJson(r);
            case List<?> list -> {
                ArrayNode array = factory.arrayNode();
                list.forEach(item -> array.add(json(item)));
                yield array;
            }
            case Map<?, ?> map -> {
                ObjectNode object = factory.objectNode();
                map.forEach((key, item) -> object.set((String) key, json(item)));
                yield object;
            }
            default -> throw new IllegalArgumentException("unsupported type in a configuration: " + value.getClass());
        };
    }

    private static void writeBlock(StringBuilder out, JsonNode node, int indent) {
        String margin = " ".repeat(indent);
        if (node.isObject()) {
            node.properties().forEach(entry -> {
                out.append(margin).append(quoted(entry.getKey())).append(':');
                writeAfter(out, entry.getValue(), indent);
            });
        } else {
            node.values().forEach(item -> {
                out.append(margin).append('-');
                writeAfter(out, item, indent);
            });
        }
    }

    /** Writes a value after its key or dash, either on the same line or as an indented block on the next lines. */
    private static void writeAfter(StringBuilder out, JsonNode node, int indent) {
        boolean block = (node.isObject() && !node.isEmpty())
                || (node.isArray() && node.valueStream().anyMatch(JsonNode::isContainer));
        if (block) {
            out.append('\n');
            writeBlock(out, node, indent + 2);
        } else if (node.isArray()) {
            out.append(" [");
            String separator = "";
            for (JsonNode item : node.values()) {
                out.append(separator).append(inline(item));
                separator = ", ";
            }
            out.append("]\n");
        } else {
            out.append(' ').append(node.isObject() ? "{}" : inline(node)).append('\n');
        }
    }

    private static String inline(JsonNode scalar) {
        if (scalar.isString()) {
            return quoted(scalar.asString());
        }
        return switch (scalar.asString()) {
            case "Infinity" -> ".inf";
            case "-Infinity" -> "-.inf";
            case "NaN" -> ".nan";
            default -> scalar.isNull() ? "null" : scalar.asString();
        };
    }

    private static String quoted(String text) {
        if (PLAIN.matcher(text).matches() && !RESERVED.matcher(text).matches()) {
            return text;
        }
        StringBuilder out = new StringBuilder("\"");
        text.chars().forEach(c -> {
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\t' -> out.append("\\t");
                default -> {
                    boolean printable =
                            (c >= ' ' && c < 0x7f) || (c >= 0xa0 && c < 0x2000) || (c >= 0x3000 && c < 0xfeff);
                    out.append(printable ? String.valueOf((char) c) : String.format("\\u%04x", c));
                }
            }
        });
        return out.append('"').toString();
    }
}
