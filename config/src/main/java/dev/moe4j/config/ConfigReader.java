package dev.moe4j.config;

import dev.moe4j.base.UserException;
import dev.moe4j.config.ConfigNode.Mapping;
import dev.moe4j.config.ConfigNode.Scalar;
import dev.moe4j.config.ConfigNode.Sequence;
import java.lang.reflect.AnnotatedType;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Reads typed configuration: a record with defaults, overlaid by a YAML file, overlaid by {@code key=value} texts of
 * the command line. {@link ConfigWriter} writes what this reads.
 *
 * <p>A component {@code peakRate} is the key {@code peak_rate}; a nested record is a mapping; a key given replaces the
 * default, a key not given leaves it. Components may be boolean, int, long, float, double, String, {@link Path}, an
 * enum (its constants in lower case), a record, a {@code List} or a {@code Map} with String keys of these, and, where
 * marked {@link Nullable}, absent: {@code null} in the file. A scalar is read as what its component wants, so
 * {@code 1e9} is a long and {@code 12} a String where one is asked for. Lists and maps of the file replace the default
 * whole; {@code key=value} texts change one entry of a map. A record that has no default (an element of a list, an
 * absent component) starts from its constructor without parameters if it has one, else every key must be given. What
 * a canonical constructor refuses by {@link IllegalArgumentException} is reported with its place.
 *
 * <p>Errors name the file and line, or the text of the command line, and the dotted path. Unknown keys, duplicate
 * keys, several documents, YAML aliases and tags are refused; aliases because a few of them can stand for more text
 * than any memory holds.
 */
public final class ConfigReader {

    private ConfigReader() {}

    /** Whether what names something built in or a YAML file, as for presets and tasks, is a file's path by its ending. */
    public static boolean isFile(String name) {
        return name.endsWith(".yaml") || name.endsWith(".yml");
    }

    /**
     * Overlays a file and texts over {@code defaults}.
     *
     * @param file the YAML file, or null for none
     * @param overrides texts {@code dotted.key=value}, a later one before an earlier one; the values are YAML
     */
    public static <R extends Record> R read(R defaults, @Nullable Path file, List<String> overrides) {
        return overlay(defaults, merged(file == null ? Mapping.empty("") : document(file), overrides));
    }

    /**
     * As {@link #read(Record, Path, List)}, where a key of the file or the texts names what they are overlaid over.
     *
     * @param key of the root
     * @param usual the name where neither has the key
     * @param defaults by name
     */
    public static <R extends Record> R read(
            String key, String usual, Function<String, R> defaults, Path file, List<String> overrides) {
        Mapping merged = merged(document(file), overrides);
        String name = merged.entries().get(key) instanceof Scalar(String _, String text) && text != null ? text : usual;
        return overlay(defaults.apply(name), merged);
    }

    /** Whether a file or the texts give a key of the root. */
    public static boolean gives(String key, Path file, List<String> overrides) {
        return merged(document(file), overrides).entries().containsKey(key);
    }

    /**
     * As {@link #read}, with the YAML given.
     *
     * @param source what errors call the text, say the path of the file it came from
     */
    public static <R extends Record> R parse(R defaults, String yaml, String source, List<String> overrides) {
        return overlay(defaults, merged(ConfigNode.document(yaml, source), overrides));
    }

    /**
     * Overlays a JSON object, such as {@link ConfigWriter#toJson} gives, over {@code defaults}.
     *
     * @param source what errors call the object
     */
    public static <R extends Record> R fromJson(R defaults, JsonNode json, String source) {
        if (ConfigNode.of(json, source) instanceof Mapping root) {
            return overlay(defaults, root);
        }
        throw new ConfigException(source + ": expected a mapping of keys to values");
    }

    // ---- overrides ----

    private static Mapping document(Path file) {
        return ConfigNode.document(ConfigNode.text(file), file.toString());
    }

    private static Mapping merged(Mapping root, List<String> overrides) {
        Mapping merged = root;
        for (String override : overrides) {
            merged = (Mapping) merge(merged, override(override));
        }
        return merged;
    }

    private static <R extends Record> R overlay(R defaults, Mapping given) {
        if (given.entries().isEmpty()) {
            return defaults;
        }
        @SuppressWarnings("unchecked")
        Class<R> type = (Class<R>) defaults.getClass();
        return type.cast(record(type, defaults, given, "", type));
    }

    /**
     * Whether a text of the command line sets a key, or keys below it: by name or in a mapping that it gives.
     *
     * @param override a text {@code dotted.key=value} that {@link #read} takes
     * @param key dotted
     */
    public static boolean sets(String override, String key) {
        @Nullable ConfigNode node = override(override);
        for (String part : key.split("\\.", -1)) {
            node = node instanceof Mapping mapping ? mapping.entries().get(part) : null;
        }
        return node != null;
    }

    private static Mapping override(String text) {
        String where = "--set " + text;
        int equals = text.indexOf('=');
        if (equals < 1) {
            throw new ConfigException(where + ": expected key=value, such as model.experts=32");
        }
        String[] path = text.substring(0, equals).strip().split("\\.", -1);
        ConfigNode value = ConfigNode.parse(text.substring(equals + 1), where, false);
        if (value == null) {
            value = new Scalar(where, null);
        }
        for (int i = path.length - 1; i >= 0; i--) {
            if (path[i].isEmpty()) {
                throw new ConfigException(where + ": the key has an empty part");
            }
            Mapping mapping = Mapping.empty(where);
            mapping.entries().put(path[i], value);
            value = mapping;
        }
        return (Mapping) value;
    }

    private static ConfigNode merge(@Nullable ConfigNode below, ConfigNode above) {
        if (!(below instanceof Mapping old) || !(above instanceof Mapping more)) {
            return above;
        }
        Map<String, ConfigNode> entries = new LinkedHashMap<>(old.entries());
        more.entries()
                .forEach((key, value) -> entries.put(key, merge(old.entries().get(key), value)));
        return new Mapping(old.where().isEmpty() ? more.where() : old.where(), entries, old.partial());
    }

    // ---- nodes to values ----

    private static Object record(Class<?> type, @Nullable Object base, ConfigNode node, String path, Class<?> root) {
        if (!(node instanceof Mapping mapping)) {
            throw ConfigMessages.mismatch(node, path, "a mapping with the keys " + ConfigMessages.keys(type));
        }
        RecordComponent[] components = type.getRecordComponents();
        Map<String, RecordComponent> known = new LinkedHashMap<>();
        for (RecordComponent component : components) {
            known.put(ConfigWriter.key(component), component);
        }
        mapping.entries().forEach((key, value) -> {
            if (!known.containsKey(key)) {
                throw ConfigMessages.unknown(value.where(), ConfigMessages.join(path, key), path, known.keySet(), root);
            }
        });
        Object start = base == null ? instance(type) : base;
        @Nullable Object[] arguments = new @Nullable Object[components.length];
        for (int i = 0; i < components.length; i++) {
            RecordComponent component = components[i];
            ConfigNode given = mapping.entries().get(ConfigWriter.key(component));
            Object old = start == null ? null : ConfigWriter.valueOf(component, start);
            String place = ConfigMessages.join(path, ConfigWriter.key(component));
            if (given != null) {
                arguments[i] = given instanceof Scalar(String where, String text) && text == null
                        ? absent(component, where, place)
                        : value(component.getGenericType(), old, given, place, root);
            } else if (start == null && !nullable(component)) {
                throw new ConfigException(mapping.where() + ": " + place + " is missing");
            } else {
                arguments[i] = old;
            }
        }
        return construct(type, components, arguments, mapping.where(), path);
    }

    private static @Nullable Object absent(RecordComponent component, String where, String path) {
        if (nullable(component)) {
            return null;
        }
        throw new ConfigException(where + ": " + path + ": expected " + ConfigMessages.words(component.getGenericType())
                + ", found nothing; give a value or leave the key out");
    }

    private static Object value(Type type, @Nullable Object base, ConfigNode node, String path, Class<?> root) {
        if (type instanceof ParameterizedType generic) {
            Type[] arguments = generic.getActualTypeArguments();
            if (generic.getRawType() == List.class) {
                if (!(node instanceof Sequence sequence)) {
                    throw ConfigMessages.mismatch(node, path, ConfigMessages.words(type));
                }
                List<Object> items = new ArrayList<>();
                for (ConfigNode item : sequence.items()) {
                    items.add(value(arguments[0], null, item, path + "[" + items.size() + "]", root));
                }
                return List.copyOf(items);
            }
            if (generic.getRawType() == Map.class && arguments[0] == String.class) {
                if (!(node instanceof Mapping mapping)) {
                    throw ConfigMessages.mismatch(node, path, ConfigMessages.words(type));
                }
                Map<Object, Object> entries = new LinkedHashMap<>();
                if (mapping.partial() && base instanceof Map<?, ?> old) {
                    entries.putAll(old);
                }
                mapping.entries()
                        .forEach((key, item) -> entries.put(
                                key,
                                value(arguments[1], entries.get(key), item, ConfigMessages.join(path, key), root)));
                return Collections.unmodifiableMap(entries);
            }
        }
        if (!(type instanceof Class<?> wanted)) {
            throw new IllegalArgumentException("no configuration type: " + type + " at " + path);
        }
        if (wanted.isRecord()) {
            return record(wanted, base, node, path, root);
        }
        if (!(node instanceof Scalar(String where, String text)) || text == null) {
            throw ConfigMessages.mismatch(node, path, ConfigMessages.words(wanted));
        }
        return ConfigScalars.value(wanted, text, node, path);
    }

    private static Object construct(
            Class<?> type, RecordComponent[] components, @Nullable Object[] arguments, String where, String path) {
        Class<?>[] types =
                Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            constructor.setAccessible(true);
            return constructor.newInstance(arguments);
        } catch (InvocationTargetException e) {
            throw refused(e, where + (path.isEmpty() ? "" : ": " + path));
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("no configuration type: " + type, e);
        }
    }

    /** What a record without a default starts from, or null if every key must be given. */
    private static @Nullable Object instance(Class<?> type) {
        try {
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (NoSuchMethodException e) {
            return null;
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("no configuration type: " + type, e);
        }
    }

    /** The error for what a record's own constructor threw. */
    private static RuntimeException refused(InvocationTargetException e, String where) {
        return switch (e.getCause()) {
            case IllegalArgumentException cause ->
                new ConfigException(where + ": " + Objects.requireNonNullElse(cause.getMessage(), "refused"), cause);
            case UserException cause ->
                new ConfigException(where + ": " + Objects.requireNonNullElse(cause.getMessage(), "refused"), cause);
            case RuntimeException cause -> cause;
            case Error cause -> throw cause;
            case null, default -> new IllegalStateException(e);
        };
    }

    private static boolean nullable(RecordComponent component) {
        AnnotatedType type = component.getAnnotatedType();
        return type.isAnnotationPresent(Nullable.class);
    }
}
