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
 * Reads typed configuration into records. The values come from a record with defaults, then a YAML file, then {@code
 * key=value} overrides of the command line; later ones take precedence. {@link ConfigWriter} writes records back.
 *
 * <p>The component {@code peakRate} has the key {@code peak_rate}. A nested record is a mapping. Keys that are not given keep
 * their defaults. These component types are supported:
 *
 * <ul>
 *   <li>boolean, int, long, float, double, String and {@link Path}
 *   <li>enums, with their constants in lower case
 *   <li>records
 *   <li>{@code List}, and {@code Map} with String keys, of the types above
 * </ul>
 *
 * <p>A {@link Nullable} component is null if the file says {@code null}. The component's type decides how to read a scalar:
 * {@code 1e9} can be a long, and {@code 12} can be a String. A list or map of the file replaces the default. An override can
 * also change a single entry of a map. Records in lists, and records whose default is null, start from the constructor
 * without parameters. If they do not have one, all keys must be given. If a canonical constructor throws {@link
 * IllegalArgumentException}, the error is reported with the record's location.
 *
 * <p>Errors are {@link ConfigException}s. They name the dotted path, and the file and line or the override. Unknown keys,
 * duplicate keys, several documents, YAML aliases and YAML tags are errors. A few nested aliases could expand to more text
 * than fits into memory.
 */
public final class ConfigReader {

    private ConfigReader() {}

    /** Whether a name ends like a YAML file. Such names are paths, and all others are built-in presets or tasks. */
    public static boolean isFile(String name) {
        return name.endsWith(".yaml") || name.endsWith(".yml");
    }

    /**
     * Reads a file and overrides on top of {@code defaults}.
     *
     * @param file the YAML file; null for none
     * @param overrides texts {@code dotted.key=value} with YAML values; later ones take precedence
     * @throws ConfigException if the file or an override is not valid
     */
    public static <R extends Record> R read(R defaults, @Nullable Path file, List<String> overrides) {
        return overlay(defaults, merged(file == null ? Mapping.empty("") : document(file), overrides));
    }

    /**
     * Like {@link #read(Record, Path, List)}, but a key of the file or of the overrides selects the defaults.
     *
     * @param key the top-level key whose value is the name of the defaults
     * @param usual the name to use if the key is not given
     * @param defaults returns the defaults for a name
     * @throws ConfigException if the file or an override is not valid
     */
    public static <R extends Record> R read(
            String key, String usual, Function<String, R> defaults, Path file, List<String> overrides) {
        Mapping merged = merged(document(file), overrides);
        String name = merged.entries().get(key) instanceof Scalar(String _, String text) && text != null ? text : usual;
        return overlay(defaults.apply(name), merged);
    }

    /** Whether a file or the overrides give a top-level key. */
    public static boolean gives(String key, Path file, List<String> overrides) {
        return merged(document(file), overrides).entries().containsKey(key);
    }

    /**
     * Like {@link #read(Record, Path, List)}, but reads YAML from a string.
     *
     * @param source the name of the text in errors, such as its file's path
     * @throws ConfigException if the text or an override is not valid
     */
    public static <R extends Record> R parse(R defaults, String yaml, String source, List<String> overrides) {
        return overlay(defaults, merged(ConfigNode.document(yaml, source), overrides));
    }

    /**
     * Reads a JSON object, such as the result of {@link ConfigWriter#toJson}, on top of {@code defaults}.
     *
     * @param source the name of the object in errors
     * @throws ConfigException if the object is not valid
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
     * Whether an override sets a key or a key below it, either by name or in a mapping.
     *
     * @param override a text {@code dotted.key=value}, as for {@link #read(Record, Path, List)}
     * @param key the dotted key
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
            throw new IllegalArgumentException("unsupported type in a configuration: " + type + " at " + path);
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
            throw new IllegalArgumentException("unsupported type in a configuration: " + type, e);
        }
    }

    /** A record made by the constructor without parameters; null if the type lacks one. */
    private static @Nullable Object instance(Class<?> type) {
        try {
            Constructor<?> constructor = type.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (NoSuchMethodException e) {
            return null;
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("unsupported type in a configuration: " + type, e);
        }
    }

    /** Translates an exception of a record's constructor. */
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
