package dev.moe4j.text.select;

import dev.moe4j.base.json.Json;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextInput;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * The word n-grams of evaluation sets, to find training text that has one of them. Of files with JSON, each string is a
 * text of its own; of others each line is. 18 to 24 bytes an n-gram.
 */
final class EvaluationText {
    private final int n;
    private final LongMap grams = new LongMap();
    private final List<String> files = new ArrayList<>();
    private long texts;
    private long tooShort;

    /**
     * Reads the files.
     *
     * @param n words in a row
     * @throws DataException if one cannot be read or is no text, or none has {@code n} words in a row
     */
    EvaluationText(TextInput input, int n) {
        this.n = n;
        Skipped skipped = input.read(document -> {
            files.add(document.file().toString());
            if (!addJson(document.text())) {
                document.text().lines().forEach(line -> {
                    if (!addJson(line)) {
                        add(line);
                    }
                });
            }
        });
        if (skipped.total() > 0) {
            throw new DataException("not all of the evaluation text in "
                    + DataException.oneLine(String.join(", ", input.sources())) + " can be looked for: " + skipped
                    + "; name the files that are text");
        }
        if (grams.size() == 0) {
            throw new DataException(
                    "the evaluation text in " + DataException.oneLine(String.join(", ", input.sources()))
                            + " has nowhere " + n + " words in a row; give longer texts or fewer words");
        }
    }

    private boolean addJson(String text) {
        String start = text.stripLeading();
        if (!start.startsWith("{") && !start.startsWith("[")) {
            return false;
        }
        try {
            strings(Json.MAPPER.readTree(text), this::add);
            return true;
        } catch (JacksonException e) {
            return false; // text that begins with a bracket, or one object a line
        }
    }

    private static void strings(JsonNode json, Consumer<String> out) {
        if (json.isString()) {
            out.accept(json.asString());
        }
        json.forEach(part -> strings(part, out));
    }

    private void add(String text) {
        Words.Grams words = new Words.Grams(n);
        Words.each(text, (word, _, _) -> {
            if (words.add(word)) {
                grams.putIfAbsent(words.hash(), files.size() - 1);
            }
        });
        texts++;
        if (words.words() < n) {
            tooShort++;
        }
    }

    int n() {
        return n;
    }

    /** The number of the file that has the n-gram; -1 if none has. */
    int find(long gram) {
        return grams.get(gram);
    }

    String file(int number) {
        return files.get(number);
    }

    /** Different n-grams. */
    int size() {
        return grams.size();
    }

    /** The strings and lines read. */
    long texts() {
        return texts;
    }

    /** Those among them with fewer than {@code n} words, which nothing can be found of. */
    long tooShort() {
        return tooShort;
    }
}
