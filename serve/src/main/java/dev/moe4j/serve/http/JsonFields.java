package dev.moe4j.serve.http;

import dev.moe4j.base.text.NearestName;
import java.util.LinkedHashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads the fields of a client's JSON object and rejects unknown ones. A field with the value null counts as absent. */
final class JsonFields {
    private final JsonNode object;
    private final Set<String> left;
    private final Set<String> known = new LinkedHashSet<>();

    JsonFields(JsonNode object) {
        if (!object.isObject()) {
            throw ApiException.invalid(null, "the body must be a JSON object");
        }
        this.object = object;
        this.left = new LinkedHashSet<>(object.propertyNames());
        left.removeIf(name -> object.get(name).isNull());
    }

    /** Returns a field's value, or null if it is absent. */
    @Nullable
    JsonNode take(String name) {
        known.add(name);
        left.remove(name);
        JsonNode value = object.get(name);
        return value == null || value.isNull() ? null : value;
    }

    String text(String name, String otherwise) {
        JsonNode value = take(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isString()) {
            throw ApiException.invalid(name, name + " must be a text, not " + value);
        }
        return value.asString();
    }

    boolean truth(String name, boolean otherwise) {
        JsonNode value = take(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isBoolean()) {
            throw ApiException.invalid(name, name + " must be true or false, not " + value);
        }
        return value.asBoolean();
    }

    double number(String name, double otherwise, double least, double most) {
        JsonNode value = take(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isNumber() || !(value.asDouble() >= least && value.asDouble() <= most)) {
            throw ApiException.invalid(name, name + " must be " + range(least, most) + ", not " + value);
        }
        return value.asDouble();
    }

    int integer(String name, int otherwise, int least, int most) {
        Integer value = integer(name, least, most);
        return value == null ? otherwise : value;
    }

    /** Returns a whole number, or null if the field is absent. */
    @Nullable
    Integer integer(String name, int least, int most) {
        JsonNode value = take(name);
        if (value == null) {
            return null;
        }
        if (!value.isNumber()
                || !value.canConvertToExactIntegral()
                || !value.canConvertToInt()
                || value.asInt() < least
                || value.asInt() > most) {
            throw ApiException.invalid(name, name + " must be " + range(least, most) + ", not " + value);
        }
        return value.asInt();
    }

    long wholeNumber(String name, long otherwise) {
        JsonNode value = take(name);
        if (value == null) {
            return otherwise;
        }
        if (!value.isNumber() || !value.canConvertToExactIntegral() || !value.canConvertToLong()) {
            throw ApiException.invalid(name, name + " must be a whole number of 64 bits, not " + value);
        }
        return value.asLong();
    }

    private static String range(double least, double most) {
        return least == most
                ? plain(least) + ", the only value served"
                : most >= Integer.MAX_VALUE
                        ? plain(least) + " or more"
                        : (least == Double.MIN_VALUE ? "above 0" : "from " + plain(least)) + " to " + plain(most);
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? String.valueOf((long) number) : String.valueOf(number);
    }

    /** Rejects a field with the value true. */
    void requireFalse(String name) {
        if (truth(name, false)) {
            throw ApiException.invalid(name, name + " must be false, the only value served, not true");
        }
    }

    /** Rejects a field with a non-empty value. */
    void requireEmpty(String name) {
        JsonNode value = take(name);
        boolean empty = value == null
                || (value.isString() ? value.asString().isEmpty() : value.isContainer() && value.isEmpty());
        if (!empty) {
            throw ApiException.invalid(name, name + " is not served; leave it out");
        }
    }

    /** Rejects fields that were not taken. */
    void finish() {
        for (String name : left) {
            String near = String.join(" or ", NearestName.names(name, known, 1));
            throw ApiException.invalid(
                    name,
                    "unknown parameter " + name + (near.isEmpty() ? "; leave it out" : "; did you mean " + near + "?"));
        }
    }
}
