package dev.moe4j.eval.task;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A task as its YAML file has it; docs/tasks.md explains every key with examples. What has no key in the file is empty.
 *
 * @param about one line on what is asked
 * @param source where the published files come from
 * @param variants names of tasks that share the description, each with the text that stands for {@code {variant}} in
 *     names of files and rows; empty for one task of the file's name
 * @param splits the files that each split may be in, the first that exists being taken; {@code A + B} is a file with its
 *     labels in another, line by line
 * @param test the split that is scored
 * @param examples the split that few-shot examples come from; where its files are missing, every tenth record of the
 *     scored split
 * @param layouts the published layouts of a record; the one that fits the file is taken
 * @param prompt what stands before the scored text
 * @param continuation the scored text, of which {@code {choice}} is a part
 * @param choices the candidates; a reference to a list stands for all of its items
 * @param label which of {@code labels} is right; a list where several are
 * @param labels the choices' own labels; empty for 0, 1, …
 * @param category what results are broken down by
 * @param group what {@code stereoset} averages over
 * @param scoring how candidates are scored and results counted
 */
record TaskFile(
        String about,
        String source,
        Map<String, String> variants,
        Map<String, List<String>> splits,
        String test,
        String examples,
        List<Layout> layouts,
        String prompt,
        String continuation,
        List<String> choices,
        String label,
        List<String> labels,
        String category,
        String group,
        Scoring scoring) {

    static final TaskFile EMPTY = new TaskFile(
            "",
            "",
            Map.of(),
            Map.of(),
            "",
            "",
            List.of(),
            "",
            " {choice}",
            List.of(),
            "",
            List.of(),
            "",
            "",
            new Scoring(Measure.ACCURACY, Normalisation.MEAN, Part.DIFFERENCE, null, null));

    /**
     * Where one published layout of a record has what the task needs.
     *
     * @param rows the list inside a record whose items are records of their own, laid over the outer one
     * @param fields names for parts of a record
     * @param spans lists of pieces of a text
     * @param positions fields that count the items of another from 0
     * @param patterns regular expressions for the text of a field, whose named groups become fields
     * @param maps what replaces a field's values
     * @param skip values of fields whose records are left out
     */
    record Layout(
            String rows,
            Map<String, String> fields,
            Map<String, Spans> spans,
            Map<String, String> positions,
            Map<String, String> patterns,
            Map<String, Map<String, String>> maps,
            Map<String, List<String>> skip) {

        Layout() {
            this("", Map.of(), Map.of(), Map.of(), Map.of(), Map.of(), Map.of());
        }
    }

    /**
     * Distinct pieces of a text.
     *
     * @param text the path to it
     * @param at the path to a list of objects with {@code start} and {@code end}, the first and the last character
     */
    record Spans(String text, String at) {}

    /**
     * How candidates are scored.
     *
     * @param measure what is counted
     * @param normalise what makes the scores of candidates comparable
     * @param part the part of a candidate whose tokens are scored
     * @param answerPrompt with {@link Normalisation#PMI}, what stands in for the prompt
     * @param separator between few-shot examples; the token that ends a text where it is absent
     */
    record Scoring(
            Measure measure,
            Normalisation normalise,
            Part part,
            @Nullable String answerPrompt,
            @Nullable String separator) {}

    /** The part of a candidate that is scored. */
    enum Part {
        /** The continuation. */
        CONTINUATION,
        /** What follows the longest beginning that all candidates share, in tokens, and at least the last token. */
        DIFFERENCE
    }
}
