package dev.moe4j.eval.task;

import dev.moe4j.base.text.NearestName;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A task: where its records are, how a record becomes a question with candidates, and how candidates are scored.
 * Built-in tasks and users' tasks are described in the same YAML format; docs/tasks.md explains the keys.
 */
public final class Task {

    /** The names of the built-in task files, which are resources of this class. */
    private static final List<String> FILES = List.of(
            "arc",
            "arithmetic",
            "boolq",
            "cb",
            "copa",
            "crows_pairs",
            "hellaswag",
            "lambada",
            "mnli",
            "openbookqa",
            "piqa",
            "record",
            "rte",
            "sst2",
            "stereoset",
            "storycloze",
            "winogender",
            "winogender_questions",
            "winogrande");

    private final String name;
    private final String yaml;
    private final String variant;
    private final TaskFile file;
    private final List<RecordSchema> layouts;
    private final Template prompt;
    private final Template continuation;
    private final List<Template> choices;
    private final List<Template> labels;
    private final Template label;
    private final Template category;
    private final Template group;

    private Task(String name, String variant, String yaml, TaskFile file) {
        this.name = name;
        this.yaml = yaml;
        this.variant = variant;
        this.file = file;
        this.layouts = file.layouts().stream()
                .map(layout -> new RecordSchema(layout, variant))
                .toList();
        this.prompt = Template.parse(file.prompt());
        this.continuation = Template.parse(file.continuation());
        this.choices = file.choices().stream().map(Template::parse).toList();
        this.labels = file.labels().stream().map(Template::parse).toList();
        this.label = Template.parse(file.label());
        this.category = Template.parse(file.category());
        this.group = Template.parse(file.group());
        check();
    }

    /** The built-in tasks by name. */
    public static Map<String, Task> builtIn() {
        return BuiltIn.TASKS;
    }

    /** Reads the built-in tasks on first use. */
    private static final class BuiltIn {
        static final Map<String, Task> TASKS = tasks();

        private static Map<String, Task> tasks() {
            Map<String, Task> tasks = new TreeMap<>();
            for (String name : FILES) {
                String resource = "tasks/" + name + ".yaml";
                try (InputStream in = Objects.requireNonNull(Task.class.getResourceAsStream(resource), resource)) {
                    String yaml = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                    parse(yaml, resource, name).forEach(task -> tasks.put(task.name, task));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
            return Collections.unmodifiableMap(tasks);
        }
    }

    /**
     * Finds a built-in task, or reads a user's task file.
     *
     * @param name a built-in task's name, or the path of a {@code .yaml} or {@code .yml} file
     * @return the task, or all variants in the file
     * @throws EvalException if no built-in task has this name
     * @throws dev.moe4j.config.ConfigException if a file has unknown keys or wrong values
     */
    public static List<Task> named(String name) {
        if (ConfigReader.isFile(name)) {
            Path path = Path.of(name);
            try {
                String stem = Objects.toString(path.getFileName(), name).replaceFirst("\\.ya?ml$", "");
                return parse(Files.readString(path), name, stem);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        Task task = builtIn().get(name);
        if (task == null) {
            throw new EvalException("no task is named " + name
                    + nearest(name, builtIn().keySet()) + "; use a built-in task, or the path of a .yaml file");
        }
        return List.of(task);
    }

    private static String nearest(String name, Collection<String> names) {
        List<String> near = NearestName.names(name, names, 3);
        return near.isEmpty() ? "" : "; the nearest are " + String.join(", ", near);
    }

    /** The tasks of a YAML file: one, or one for each variant. */
    static List<Task> parse(String yaml, String source, String stem) {
        TaskFile file = ConfigReader.parse(TaskFile.EMPTY, yaml, source, List.of());
        Map<String, String> variants = file.variants().isEmpty() ? Map.of(stem, stem) : file.variants();
        List<Task> tasks = new ArrayList<>();
        try {
            variants.forEach((name, variant) -> tasks.add(new Task(name, variant, yaml, file)));
        } catch (EvalException e) {
            throw new EvalException(source + ": " + e.getMessage());
        }
        return tasks;
    }

    private void check() {
        require(!layouts.isEmpty(), "layouts is missing: say where a record has the task's fields");
        require(!choices.isEmpty(), "choices is missing: list the candidates");
        require(!file.label().isEmpty(), "label is missing: say which choice is right");
        require(
                file.splits().containsKey(file.test()),
                "test: \"" + file.test() + "\" is not among the splits "
                        + file.splits().keySet());
        TaskFile.Scoring scoring = file.scoring();
        require(
                (scoring.normalise() == Normalisation.PMI) == (scoring.answerPrompt() != null),
                "scoring.answer_prompt belongs to normalise: pmi, and only to it");
        Set<String> known = new LinkedHashSet<>(layouts.getFirst().names());
        layouts.forEach(layout -> known.retainAll(layout.names()));
        Set<String> used = new LinkedHashSet<>();
        List.of(prompt, continuation).forEach(template -> used.addAll(template.references()));
        used.remove("choice");
        List.of(label, category, group).forEach(template -> used.addAll(template.references()));
        choices.forEach(template -> used.addAll(template.references()));
        labels.forEach(template -> used.addAll(template.references()));
        for (String field : used) {
            require(
                    known.contains(field),
                    "{" + field + "} is not a field of every layout" + nearest(field, known)
                            + "; the common fields are " + known);
        }
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new EvalException(message);
        }
    }

    public String name() {
        return name;
    }

    /** One line about the task. */
    public String about() {
        return file.about();
    }

    /** Where the published files come from. */
    public String source() {
        return file.source();
    }

    /** The names of the splits, sorted. */
    public Set<String> splits() {
        return new TreeSet<>(file.splits().keySet());
    }

    /** The split that is scored by default. */
    public String test() {
        return file.test();
    }

    /** The complete YAML text, which identifies the task in cache keys. */
    String yaml() {
        return yaml;
    }

    TaskFile.Scoring scoring() {
        return file.scoring();
    }

    /** The templates of a candidate's text, with the continuation between ⟦ and ⟧. */
    String formulation() {
        return file.prompt() + "⟦" + file.continuation() + "⟧";
    }

    /** Whether this is a classification: every question has the same candidates after the same text. */
    public boolean isClassification() {
        return !prompt.references().contains("choice")
                && Stream.concat(choices.stream(), labels.stream())
                        .allMatch(template -> template.references().isEmpty());
    }

    /** Whether the answer is generated: a question has a right answer, without wrong candidates. */
    public boolean isGenerative() {
        return file.scoring().measure() == Measure.EXACT;
    }

    /** The split for few-shot examples and for fine-tuning; empty if the task has none. */
    public String exampleSplit() {
        return file.examples();
    }

    /**
     * The possible file names of a split, in order of preference.
     *
     * @throws EvalException if the task has no such split
     */
    List<String> files(String split) {
        List<String> files = file.splits().get(split);
        if (files == null) {
            throw new EvalException(
                    "the task " + name + " has no split " + split + "; its splits are " + String.join(", ", splits()));
        }
        return files.stream().map(text -> text.replace("{variant}", variant)).toList();
    }

    List<RecordSchema> layouts() {
        return layouts;
    }

    /**
     * Converts a record's fields to an example.
     *
     * @param place the location of the record, for messages
     * @throws EvalException if the record does not match the task's description
     */
    Example example(String place, Map<String, List<String>> fields) {
        List<String> texts = all(choices, fields);
        List<Example.Candidate> candidates = texts.stream()
                .map(choice -> new Example.Candidate(
                        prompt.text(name -> name.equals("choice") ? List.of(choice) : lookup(fields, name)),
                        continuation.text(name -> name.equals("choice") ? List.of(choice) : lookup(fields, name))))
                .toList();
        List<String> names = all(labels, fields);
        if (names.isEmpty()) {
            names = IntStream.range(0, texts.size()).mapToObj(Integer::toString).toList();
        }
        require(!texts.isEmpty(), "it has no choices");
        require(names.size() == texts.size(), names.size() + " labels for " + texts.size() + " choices");
        List<String> right = label.values(name -> lookup(fields, name));
        Set<Integer> gold = new TreeSet<>();
        for (int i = 0; i < names.size(); i++) {
            if (right.contains(names.get(i))) {
                gold.add(i);
            }
        }
        require(
                !gold.isEmpty(),
                "its label \"" + String.join(", ", right) + "\" is not one of " + String.join(", ", names)
                        + " (a split without labels cannot be scored)");
        return new Example(
                place,
                candidates,
                names,
                gold,
                category.text(name -> lookup(fields, name)),
                group.text(name -> lookup(fields, name)));
    }

    private static List<String> all(List<Template> templates, Map<String, List<String>> fields) {
        List<String> texts = new ArrayList<>();
        templates.forEach(template -> texts.addAll(template.values(name -> lookup(fields, name))));
        return texts;
    }

    private static List<String> lookup(Map<String, List<String>> fields, String name) {
        return Objects.requireNonNull(fields.get(name), name);
    }

    @Override
    public String toString() {
        return name;
    }
}
