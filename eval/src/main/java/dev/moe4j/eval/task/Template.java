package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A text template with references in braces, such as {@code {goal}} or {@code {choice|lower_first}}. Two opening braces
 * stand for one.
 */
final class Template {

    private static final Pattern PART = Pattern.compile("\\{\\{|\\{([^{}|]+)(?:\\|([^{}|]+))?}|[^{]+|\\{");

    private static final Pattern PRONOUN_I = Pattern.compile("I\\b");

    private final String source;
    private final List<Part> parts;

    private record Part(String text, boolean reference, UnaryOperator<String> filter) {}

    private Template(String source, List<Part> parts) {
        this.source = source;
        this.parts = parts;
    }

    /**
     * Parses a template.
     *
     * @throws EvalException if a brace is not closed or a filter is not known
     */
    static Template parse(String source) {
        List<Part> parts = new ArrayList<>();
        Matcher matcher = PART.matcher(source);
        while (matcher.find()) {
            String name = matcher.group(1);
            if (name != null) {
                parts.add(new Part(name.strip(), true, filter(source, matcher.group(2))));
            } else if (matcher.group().equals("{")) {
                throw new EvalException(
                        "\"" + source + "\" has a brace that is not closed; write {{ for a literal brace");
            } else {
                parts.add(new Part(matcher.group().equals("{{") ? "{" : matcher.group(), false, text -> text));
            }
        }
        return new Template(source, List.copyOf(parts));
    }

    private static UnaryOperator<String> filter(String source, String name) {
        return switch (name) {
            case null -> text -> text;
            case "lower_first" ->
                text -> PRONOUN_I.matcher(text).lookingAt()
                        ? text
                        : changeFirst(text, first -> first.toLowerCase(Locale.ROOT));
            case "upper_first" -> text -> changeFirst(text, first -> first.toUpperCase(Locale.ROOT));
            case "trim" -> String::strip;
            default ->
                throw new EvalException("\"" + source + "\" has the unknown filter " + name
                        + "; the filters are lower_first, upper_first and trim");
        };
    }

    private static String changeFirst(String text, UnaryOperator<String> change) {
        if (text.isEmpty()) {
            return text;
        }
        int end = text.offsetByCodePoints(0, 1);
        return change.apply(text.substring(0, end)) + text.substring(end);
    }

    /** The names of the references. */
    List<String> references() {
        return parts.stream().filter(Part::reference).map(Part::text).toList();
    }

    /**
     * Fills in the template. If it consists of a single reference, the result has an item per value; otherwise one
     * item.
     *
     * @param lookup the values of a name; a list has several
     */
    List<String> values(Function<String, List<String>> lookup) {
        if (parts.size() == 1 && parts.getFirst().reference()) {
            Part only = parts.getFirst();
            return lookup.apply(only.text).stream().map(only.filter).toList();
        }
        StringBuilder text = new StringBuilder();
        for (Part part : parts) {
            if (!part.reference) {
                text.append(part.text);
                continue;
            }
            List<String> values = lookup.apply(part.text);
            if (values.size() != 1) {
                throw new EvalException(
                        "\"" + source + "\" expects one text for " + part.text + ", but there are " + values.size());
            }
            text.append(part.filter.apply(values.getFirst()));
        }
        return List.of(text.toString());
    }

    /** Like {@link #values}, but throws {@link EvalException} unless there is exactly one text. */
    String text(Function<String, List<String>> lookup) {
        List<String> values = values(lookup);
        if (values.size() != 1) {
            throw new EvalException("\"" + source + "\" must give one text, but gives " + values.size());
        }
        return values.getFirst();
    }

    @Override
    public String toString() {
        return source;
    }
}
