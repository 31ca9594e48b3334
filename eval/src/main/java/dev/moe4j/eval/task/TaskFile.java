package dev.moe4j.eval.task;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The contents of a task's YAML file; docs/tasks.md explains every key with examples. Missing keys are empty.
 *
 * @param about one line about the task
 * @param source where the published files come from
 * @param variants names of tasks that share this file, each with the value of {@code {variant}} in file names and rows;
 *     empty for one task with the file's name
 * @param splits possible files of each split; the first that exists is read. {@code A + B} is a file with its labels in
 *     another, line by line
 * @param test the split to score
 * @param examples the split of the few-shot examples; if its files are missing, every tenth record of the scored split
 *     is used
 * @param layouts the published layouts of a record; the one that matches the file is used
 * @param prompt the text before the scored text
 * @param continuation the scored text, which contains {@code {choice}}
 * @param choices the candidates; a reference to a list stands for all of its items
 * @param label the label of the right choice, or a list of labels
 * @param labels the labels of the choices; empty for 0, 1, …
 * @param category the category for the breakdown of results
 * @param group the group that {@code stereoset} averages over
 * @param scoring how candidates are scored and results computed
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
     * One published layout of a record: where it stores the task's fields.
     *
     * @param rows a list inside the record whose items are records; each item's keys are added to the outer record's
     * @param fields templates by field name
     * @param spans fields that list pieces of a text
     * @param positions fields that number the items of another field, from 0
     * @param patterns regular expressions for the text of a field; named groups become fields
     * @param maps replacements for the values of a field
     * @param skip values of fields whose records are skipped
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
     * @param text path of the text
     * @param at path of a list of objects with {@code start} and {@code end}, the first and the last character
     */
    record Spans(String text, String at) {}

    /**
     * How candidates are scored.
     *
     * @param measure how results are computed
     * @param normalise how scores of candidates are made comparable
     * @param part the part of a candidate whose tokens are scored
     * @param answerPrompt with {@link Normalisation#PMI}, the text that replaces the prompt
     * @param separator text between few-shot examples; the end-of-text token if null
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
        /** The tokens after the longest common prefix of all candidates, and at least the last token. */
        DIFFERENCE
    }
}
