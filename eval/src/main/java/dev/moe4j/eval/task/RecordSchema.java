package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** A compiled layout of a task's records. It converts a record to the task's fields. */
final class RecordSchema {

    private final String rows;
    private final Map<String, Template> fields = new LinkedHashMap<>();
    private final Map<String, TaskFile.Spans> spans;
    private final Map<String, String> positions;
    private final Map<String, Pattern> patterns = new LinkedHashMap<>();
    private final Map<String, Map<String, String>> maps;
    private final Map<String, List<String>> skip;

    /**
     * Compiles a layout.
     *
     * @param variant the value of {@code {variant}} in the path of rows
     * @throws EvalException if a template or a pattern is not valid
     */
    RecordSchema(TaskFile.Layout file, String variant) {
        this.rows = file.rows().replace("{variant}", variant);
        file.fields().forEach((name, template) -> fields.put(name, Template.parse(template)));
        this.spans = file.spans();
        this.positions = file.positions();
        file.patterns().forEach((name, pattern) -> patterns.put(name, compile(name, pattern)));
        this.maps = file.maps();
        this.skip = file.skip();
        check("positions", positions.values());
        check("patterns", patterns.keySet());
        check("maps", maps.keySet());
        check("skip", skip.keySet());
    }

    private void check(String key, Collection<String> used) {
        for (String name : used) {
            if (!names().contains(name)) {
                throw new EvalException(key + " refers to " + name
                        + ", which is not a field of its layout; the fields are " + String.join(", ", names()));
            }
        }
    }

    private static Pattern compile(String name, String pattern) {
        try {
            return Pattern.compile(pattern, Pattern.DOTALL | Pattern.UNICODE_CHARACTER_CLASS);
        } catch (PatternSyntaxException e) {
            throw new EvalException("the pattern of " + name + " is not a valid regular expression: "
                    + e.getDescription() + " at index " + e.getIndex() + " of " + pattern);
        }
    }

    /** The names of the fields. */
    Set<String> names() {
        Set<String> names = new LinkedHashSet<>(fields.keySet());
        names.addAll(spans.keySet());
        names.addAll(positions.keySet());
        patterns.values().forEach(pattern -> names.addAll(pattern.namedGroups().keySet()));
        return names;
    }

    /**
     * Returns the records in a JSON object: the object itself, or one per item of {@code rows}, with the item's keys
     * added to the object's.
     */
    List<ObjectNode> records(ObjectNode node) {
        if (rows.isEmpty()) {
            return List.of(node);
        }
        List<ObjectNode> records = new ArrayList<>();
        for (JsonNode item : find(node, rows)) {
            if (item instanceof ObjectNode object) {
                ObjectNode merged = node.objectNode();
                merged.setAll(node);
                records.add(merged.setAll(object));
            }
        }
        return records;
    }

    /** Returns the paths that this layout needs and the record lacks. */
    List<String> missing(ObjectNode node) {
        List<ObjectNode> records = records(node);
        if (records.isEmpty()) {
            return List.of(rows);
        }
        List<String> missing = new ArrayList<>();
        fields.values()
                .forEach(template -> template.references().stream()
                        .filter(path -> find(records.getFirst(), path).isEmpty())
                        .forEach(missing::add));
        spans.values().stream()
                .filter(span -> find(records.getFirst(), span.text()).isEmpty())
                .forEach(span -> missing.add(span.text()));
        return missing;
    }

    /** The number of fields read from a record, to prefer the most specific layout. */
    int size() {
        return fields.size() + spans.size();
    }

    /**
     * Extracts the fields of a record.
     *
     * @return lists of texts by field name; empty if the record is to be skipped
     * @throws EvalException if a value is missing or not as expected
     */
    Optional<Map<String, List<String>>> fields(ObjectNode node) {
        Map<String, List<String>> values = new LinkedHashMap<>();
        fields.forEach((name, template) -> values.put(name, template.values(path -> texts(node, path))));
        spans.forEach((name, span) -> values.put(name, pieces(node, span)));
        positions.forEach((name, list) -> values.put(
                name,
                IntStream.range(0, get(values, list).size())
                        .mapToObj(Integer::toString)
                        .toList()));
        patterns.forEach((name, pattern) -> match(name, pattern, values));
        for (Map.Entry<String, List<String>> entry : skip.entrySet()) {
            if (entry.getValue().containsAll(get(values, entry.getKey()))) {
                return Optional.empty();
            }
        }
        maps.forEach((name, map) -> values.computeIfPresent(
                name,
                (_, texts) ->
                        texts.stream().map(text -> mapped(name, map, text)).toList()));
        return Optional.of(values);
    }

    private static List<String> get(Map<String, List<String>> values, String name) {
        return Objects.requireNonNull(values.get(name), name);
    }

    private static void match(String name, Pattern pattern, Map<String, List<String>> values) {
        List<String> texts = get(values, name);
        if (texts.size() != 1) {
            throw new EvalException("the pattern of " + name + " expects one text, but there are " + texts.size());
        }
        Matcher matcher = pattern.matcher(texts.getFirst());
        if (!matcher.matches()) {
            throw new EvalException(name + " does not match the pattern " + pattern);
        }
        pattern.namedGroups().keySet().forEach(group -> {
            String text = matcher.group(group);
            values.put(group, List.of(text == null ? "" : text));
        });
    }

    private static String mapped(String name, Map<String, String> map, String text) {
        String value = map.get(text);
        if (value == null) {
            throw new EvalException(
                    name + " is \"" + text + "\", which is not one of " + String.join(", ", map.keySet()));
        }
        return value;
    }

    private static List<String> texts(ObjectNode node, String path) {
        List<JsonNode> found = find(node, path);
        if (found.isEmpty()) {
            throw new EvalException("it has no " + path);
        }
        return found.stream().map(item -> text(item, path)).toList();
    }

    private static String text(JsonNode node, String path) {
        if (node.isContainer()) {
            throw new EvalException(path + " is " + (node.isArray() ? "a list" : "an object") + ", not text");
        }
        return node.asString();
    }

    private static List<String> pieces(ObjectNode node, TaskFile.Spans span) {
        String text = text(find(node, span.text()).getFirst(), span.text());
        Set<String> pieces = new LinkedHashSet<>();
        for (JsonNode item : find(node, span.at())) {
            int start = item.path("start").asInt(-1);
            int end = item.path("end").asInt(-1);
            int characters = text.codePointCount(0, text.length());
            if (start < 0 || end < start || end >= characters) {
                throw new EvalException(span.at() + " has a piece from " + start + " to " + end + " of a text of "
                        + characters + " characters");
            }
            pieces.add(text.substring(text.offsetByCodePoints(0, start), text.offsetByCodePoints(0, end + 1)));
        }
        return List.copyOf(pieces);
    }

    /** Resolves a path such as {@code question.choices[].text}. A list at its end stands for its items. */
    private static List<JsonNode> find(JsonNode node, String path) {
        List<JsonNode> found = List.of(node);
        for (String step : path.split("\\.", -1)) {
            String name = step.endsWith("[]") ? step.substring(0, step.length() - 2) : step;
            found = found.stream()
                    .map(item -> item.path(name))
                    .filter(item -> !item.isMissingNode() && !item.isNull())
                    .flatMap(item -> item.isArray() ? item.valueStream() : Stream.of(item))
                    .toList();
        }
        return found;
    }
}
