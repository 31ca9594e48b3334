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
 * A task: where its records are, how a record becomes a question with candidates, and how they are scored. All of it is
 * said in YAML, by the tasks that come with moe4j as by a user's own; docs/tasks.md explains the keys.
 */
public final class Task {

    /** The tasks' descriptions beside this class. */
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

    /** The tasks that come with moe4j, by name. */
    public static Map<String, Task> builtIn() {
        return BuiltIn.TASKS;
    }

    /** Read once, when first asked for. */
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
     * A task that comes with moe4j, or a user's own.
     *
     * @param name a built-in task's name, or the path of a {@code .yaml} or {@code .yml} file
     * @throws EvalException if there is none of that name
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
            throw new EvalException(
                    "no task is named " + name + nearest(name, builtIn().keySet())
                            + "; eval tasks --list prints all, and a path that ends with .yaml is a task of your own");
        }
        return List.of(task);
    }

    private static String nearest(String name, Collection<String> names) {
        List<String> near = NearestName.names(name, names, 3);
        return near.isEmpty() ? "" : "; the nearest are " + String.join(", ", near);
    }

    /** The tasks of a description: one, or one for each variant. */
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
        require(!layouts.isEmpty(), "layouts is missing: say where a record has what the task needs");
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
                    "{" + field + "} is no field of every layout" + nearest(field, known) + "; there are " + known);
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

    /** One line on what is asked. */
    public String about() {
        return file.about();
    }

    /** Where the published files come from. */
    public String source() {
        return file.source();
    }

    /** The names of its splits. */
    public Set<String> splits() {
        return new TreeSet<>(file.splits().keySet());
    }

    /** The split that is scored unless another is asked for. */
    public String test() {
        return file.test();
    }

    /** The whole description, whose change makes another task of it. */
    String yaml() {
        return yaml;
    }

    TaskFile.Scoring scoring() {
        return file.scoring();
    }

    /** How a candidate's text is built, for results. */
    String formulation() {
        return file.prompt() + "⟦" + file.continuation() + "⟧";
    }

    /** Whether every question has the same candidates after one text: classes, that is. */
    public boolean classifies() {
        return !prompt.references().contains("choice")
                && Stream.concat(choices.stream(), labels.stream())
                        .allMatch(template -> template.references().isEmpty());
    }

    /** Whether an answer is to be said rather than chosen: there are no wrong candidates. */
    public boolean generates() {
        return file.scoring().measure() == Measure.EXACT;
    }

    /** The split of few-shot examples and of training; empty where the task names none. */
    public String exampleSplit() {
        return file.examples();
    }

    /**
     * Where a split's files are looked for, best first.
     *
     * @throws EvalException if the task has no such split
     */
    List<String> files(String split) {
        List<String> files = file.splits().get(split);
        if (files == null) {
            throw new EvalException(
                    "the task " + name + " has no split " + split + "; it has " + String.join(", ", splits()));
        }
        return files.stream().map(text -> text.replace("{variant}", variant)).toList();
    }

    List<RecordSchema> layouts() {
        return layouts;
    }

    /**
     * The example of a record.
     *
     * @throws EvalException if the record is not as the task says
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
                "its label \"" + String.join(", ", right) + "\" is none of " + String.join(", ", names)
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
