package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Text with references in braces, as {@code {goal}} or {@code {choice|lower_first}}; two open braces are one of text. */
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

    /** @throws EvalException if a brace is open or a filter unknown */
    static Template parse(String source) {
        List<Part> parts = new ArrayList<>();
        Matcher matcher = PART.matcher(source);
        while (matcher.find()) {
            String name = matcher.group(1);
            if (name != null) {
                parts.add(new Part(name.strip(), true, filter(source, matcher.group(2))));
            } else if (matcher.group().equals("{")) {
                throw new EvalException(
                        "\"" + source + "\" has a brace that is not closed; write {{ for a brace itself");
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
                throw new EvalException(
                        "\"" + source + "\" has the filter " + name + "; there are lower_first, upper_first and trim");
        };
    }

    private static String changeFirst(String text, UnaryOperator<String> change) {
        if (text.isEmpty()) {
            return text;
        }
        int end = text.offsetByCodePoints(0, 1);
        return change.apply(text.substring(0, end)) + text.substring(end);
    }

    /** The names that it refers to. */
    List<String> references() {
        return parts.stream().filter(Part::reference).map(Part::text).toList();
    }

    /**
     * The values: a reference that is the whole template stands for all of a list's items, else there is one.
     *
     * @param lookup the values of a name, one unless it is a list
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
                        "\"" + source + "\" wants one text for " + part.text + ", and there are " + values.size());
            }
            text.append(part.filter.apply(values.getFirst()));
        }
        return List.of(text.toString());
    }

    /** As {@link #values} where there must be one. */
    String text(Function<String, List<String>> lookup) {
        List<String> values = values(lookup);
        if (values.size() != 1) {
            throw new EvalException("\"" + source + "\" should be one text, and there are " + values.size());
        }
        return values.getFirst();
    }

    @Override
    public String toString() {
        return source;
    }
}
