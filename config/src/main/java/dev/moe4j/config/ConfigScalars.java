package dev.moe4j.config;

import java.math.BigDecimal;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.regex.Pattern;

/** Converts the text of a scalar to the type of its record component. */
final class ConfigScalars {

    private static final Pattern NUMBER =
            Pattern.compile("[+-]?(\\d[\\d_]*(\\.[\\d_]*)?|\\.\\d[\\d_]*)([eE][+-]?\\d{1,9})?");

    private ConfigScalars() {}

    /**
     * Converts a text.
     *
     * @param type the component's type: a primitive or its box, String, {@link Path} or an enum
     * @param node the text's node, for the error
     * @throws ConfigException if the text is not a value of the type
     */
    static Object value(Class<?> type, String text, ConfigNode node, String path) {
        if (type == String.class) {
            return text;
        }
        if (type == boolean.class || type == Boolean.class) {
            return switch (text) {
                case "true", "True", "TRUE" -> true;
                case "false", "False", "FALSE" -> false;
                default -> throw ConfigMessages.mismatch(node, path, ConfigMessages.words(type));
            };
        }
        if (type.isEnum()) {
            for (Object constant : type.getEnumConstants()) {
                if (ConfigWriter.constantName((Enum<?>) constant).equals(text)) {
                    return constant;
                }
            }
            throw ConfigMessages.mismatch(node, path, ConfigMessages.words(type));
        }
        try {
            if (type == int.class || type == Integer.class) {
                return number(text).intValueExact();
            }
            if (type == long.class || type == Long.class) {
                return number(text).longValueExact();
            }
            if (type == double.class || type == Double.class) {
                return real(text);
            }
            if (type == float.class || type == Float.class) {
                double value = real(text);
                float narrow = Double.isFinite(value) ? Float.parseFloat(text.replace("_", "")) : (float) value;
                if (Float.isInfinite(narrow) && !Double.isInfinite(value)) {
                    throw new ArithmeticException("out of range");
                }
                return narrow;
            }
            if (type == Path.class && !text.isEmpty()) {
                return Path.of(text);
            }
        } catch (ArithmeticException | NumberFormatException | InvalidPathException e) {
            throw ConfigMessages.mismatch(node, path, ConfigMessages.words(type));
        }
        if (type == Path.class) {
            throw ConfigMessages.mismatch(node, path, ConfigMessages.words(type));
        }
        throw new IllegalArgumentException("unsupported type in a configuration: " + type + " at " + path);
    }

    private static BigDecimal number(String text) {
        if (text.length() > 100 || !NUMBER.matcher(text).matches()) {
            throw new NumberFormatException(text);
        }
        return new BigDecimal(text.replace("_", ""));
    }

    private static double real(String text) {
        return switch (text) {
            case ".inf", "+.inf", "Infinity" -> Double.POSITIVE_INFINITY;
            case "-.inf", "-Infinity" -> Double.NEGATIVE_INFINITY;
            case ".nan", "NaN" -> Double.NaN;
            default -> {
                if (!NUMBER.matcher(text).matches()) {
                    throw new NumberFormatException(text);
                }
                double value = Double.parseDouble(text.replace("_", ""));
                if (Double.isInfinite(value)) {
                    throw new ArithmeticException("out of range");
                }
                yield value;
            }
        };
    }
}
