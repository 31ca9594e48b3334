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
 * Holds the word n-grams of evaluation sets, to detect training documents that contain one of them (contamination). In a
 * JSON file, each string is a separate text; in any other file, each line is. An n-gram takes 18 to 24 bytes.
 */
final class EvaluationText {
    private final int n;
    private final LongMap grams = new LongMap();
    private final List<String> files = new ArrayList<>();
    private long texts;
    private long tooShort;

    /**
     * Reads the evaluation sets.
     *
     * @param n the number of words in an n-gram
     * @throws DataException if a file cannot be read or is not text, or if no text has {@code n} consecutive words
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
            throw new DataException("some of the evaluation text in "
                    + DataException.oneLine(String.join(", ", input.sources())) + " cannot be used: " + skipped
                    + "; name only files that are text");
        }
        if (grams.size() == 0) {
            throw new DataException(
                    "the evaluation text in " + DataException.oneLine(String.join(", ", input.sources()))
                            + " never has " + n + " words in a row; give longer texts or fewer words");
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
            return false; // plain text that begins with a bracket, or JSON lines
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

    /** Returns the number of the first file that has the n-gram, or -1. */
    int find(long gram) {
        return grams.get(gram);
    }

    String file(int number) {
        return files.get(number);
    }

    /** Returns the number of distinct n-grams. */
    int size() {
        return grams.size();
    }

    /** Returns the number of texts (strings and lines) read. */
    long texts() {
        return texts;
    }

    /** Returns the number of texts with fewer than {@code n} words, which cannot be detected. */
    long tooShort() {
        return tooShort;
    }
}
