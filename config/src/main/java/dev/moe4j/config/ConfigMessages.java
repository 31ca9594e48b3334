package dev.moe4j.config;

import dev.moe4j.base.text.NearestName;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/** Builds error messages about configurations: type mismatches, and unknown keys with suggestions. */
final class ConfigMessages {

    private ConfigMessages() {}

    /** The error for a value of the wrong type. */
    static ConfigException mismatch(ConfigNode node, String path, String expected) {
        return new ConfigException(node.where() + ": " + path + ": expected " + expected + ", found " + node.words());
    }

    /**
     * The error for an unknown key. It suggests the most similar key and lists the record's keys.
     *
     * @param wanted the unknown dotted key
     * @param path the record's path
     * @param siblings the record's keys
     * @param root the configuration's type, whose other keys can be suggested
     */
    static ConfigException unknown(String where, String wanted, String path, Iterable<String> siblings, Class<?> root) {
        List<String> known = new ArrayList<>();
        siblings.forEach(key -> known.add(join(path, key)));
        List<String> everywhere = new ArrayList<>();
        collect(root, "", everywhere, 0);
        String leaf = wanted.substring(wanted.lastIndexOf('.') + 1);
        String hint = known.stream()
                .filter(key -> letters(key).equals(letters(wanted)))
                .findFirst()
                // A typo is more likely than a key of another section.
                .or(() -> known.stream()
                        .filter(key -> NearestName.distance(wanted, key) == 1)
                        .findFirst())
                .or(() -> everywhere.stream()
                        .filter(key -> key.endsWith("." + leaf) || key.equals(leaf))
                        .findFirst())
                .or(() -> NearestName.names(wanted, known, 1).stream().findFirst())
                .or(() -> NearestName.names(wanted, everywhere, 1).stream().findFirst())
                .map(key -> "; did you mean " + key + "?")
                .orElse("");
        return new ConfigException(
                where + ": unknown key " + wanted + hint + "; known here: " + String.join(", ", known));
    }

    private static String letters(String key) {
        return key.replace("_", "").replace("-", "").toLowerCase(Locale.ROOT);
    }

    /** Collects all dotted keys of a record type. */
    private static void collect(Class<?> record, String path, List<String> paths, int depth) {
        for (RecordComponent component : record.getRecordComponents()) {
            paths.add(join(path, ConfigWriter.key(component)));
            if (component.getType().isRecord() && depth < ConfigNode.MAX_DEPTH && component.getType() != record) {
                collect(component.getType(), join(path, ConfigWriter.key(component)), paths, depth + 1);
            }
        }
    }

    /** A dotted path with a key added. */
    static String join(String path, String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    /** Describes the values of a type, such as "true or false". */
    static String words(Type type) {
        if (type instanceof ParameterizedType generic) {
            Type[] arguments = generic.getActualTypeArguments();
            return generic.getRawType() == List.class
                    ? "a list, each item " + words(arguments[0])
                    : "a mapping, each value " + words(arguments[arguments.length - 1]);
        }
        if (!(type instanceof Class<?> wanted)) {
            return type.toString();
        }
        if (wanted.isRecord()) {
            return "a mapping with the keys " + keys(wanted);
        }
        if (wanted.isEnum()) {
            return "one of "
                    + Arrays.stream(wanted.getEnumConstants())
                            .map(constant -> ConfigWriter.constantName((Enum<?>) constant))
                            .toList();
        }
        return switch (wanted.getSimpleName()) {
            case "boolean", "Boolean" -> "true or false";
            case "int", "Integer" -> "a whole number up to " + Integer.MAX_VALUE;
            case "long", "Long" -> "a whole number up to " + Long.MAX_VALUE;
            case "float", "Float", "double", "Double" -> "a number";
            case "Path" -> "a path";
            default -> "a text";
        };
    }

    /** A record's keys. */
    static List<String> keys(Class<?> record) {
        return Arrays.stream(record.getRecordComponents())
                .map(ConfigWriter::key)
                .toList();
    }
}
