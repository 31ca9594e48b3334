package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** A task's questions, read and ready to be put to any model, with the examples that may stand before them. */
public final class Questions {

    /** Where a task has no file of examples, every so many records of the scored split are examples instead. */
    private static final int HELD_OUT = 10;

    private final Task task;
    private final TaskSettings settings;
    private final String split;
    private final Path file;
    private final String checksum;
    private final List<Example> examples;
    private final List<Example> pool;
    private final String poolSource;

    private Questions(
            Task task,
            TaskSettings settings,
            String split,
            Path file,
            String checksum,
            List<Example> examples,
            List<Example> pool,
            String poolSource) {
        this.task = task;
        this.settings = settings;
        this.split = split;
        this.file = file;
        this.checksum = checksum;
        this.examples = spread(examples, settings.limit());
        this.pool = pool;
        this.poolSource = poolSource;
    }

    /**
     * Reads a task's files.
     *
     * @param folder with the published files, in a folder of the task's name or by themselves
     * @throws EvalException if a file is not there, or a record is not as the task says, or has no label
     */
    public static Questions read(Task task, Path folder, TaskSettings settings) {
        String split = Objects.requireNonNullElse(settings.split(), task.test());
        TaskData data = TaskData.read(task, folder, split);
        if (settings.shots() == 0) {
            return new Questions(task, settings, split, data.file(), data.checksum(), data.examples(), List.of(), "");
        }
        Optional<TaskData> other =
                task.exampleSplit().isEmpty() || task.exampleSplit().equals(split)
                        ? Optional.empty()
                        : TaskData.find(task, folder, task.exampleSplit());
        Questions questions = other.map(found -> new Questions(
                        task,
                        settings,
                        split,
                        data.file(),
                        data.checksum() + found.checksum(),
                        data.examples(),
                        found.examples(),
                        task.exampleSplit() + " (" + found.file() + ")"))
                .orElseGet(() -> new Questions(
                        task,
                        settings,
                        split,
                        data.file(),
                        data.checksum(),
                        every(data.examples(), false),
                        every(data.examples(), true),
                        "every " + HELD_OUT + "th record of " + split + ", left out of the questions"));
        if (questions.pool.size() < settings.shots() || questions.examples.isEmpty()) {
            throw new EvalException(task.name() + ": " + settings.shots() + " examples are asked for, and "
                    + questions.poolSource + " has " + questions.pool.size() + "; give fewer --shots");
        }
        return questions;
    }

    /** Whether a task has a split of that name, and its file is there. */
    public static boolean isThere(Task task, Path folder, String split) {
        return task.splits().contains(split)
                && TaskData.file(task, folder, split).isPresent();
    }

    /** The checksums of all of a task's files that are there, whichever of its splits are used, as a text. */
    public static String checksums(Task task, Path folder) {
        return TaskData.checksums(task, folder);
    }

    private static List<Example> every(List<Example> all, boolean chosen) {
        return IntStream.range(0, all.size())
                .filter(i -> (i % HELD_OUT == HELD_OUT - 1) == chosen)
                .mapToObj(all::get)
                .toList();
    }

    private static List<Example> spread(List<Example> all, int limit) {
        return limit >= all.size()
                ? all
                : IntStream.range(0, limit)
                        .mapToObj(i -> all.get((int) ((i + 0.5) / limit * all.size())))
                        .toList();
    }

    public Task task() {
        return task;
    }

    /** How many there are. */
    public int count() {
        return examples.size();
    }

    /** Questions over all runs. */
    public long total() {
        return (long) count() * settings.distinctRuns();
    }

    public TaskSettings settings() {
        return settings;
    }

    public String split() {
        return split;
    }

    public Path file() {
        return file;
    }

    public List<Example> examples() {
        return examples;
    }

    String poolSource() {
        return poolSource;
    }

    /** The examples of a run, drawn uniformly without replacement: they depend on seed, task and run alone. */
    List<Example> draw(int run) {
        SplittableRandom random = new SplittableRandom(
                new RandomKey(settings.seed()).fold(task.name()).fold(run).value());
        List<Example> left = new ArrayList<>(pool);
        for (int i = 0; i < settings.shots(); i++) {
            int chosen = i + random.nextInt(left.size() - i);
            Example example = left.get(chosen);
            left.set(chosen, left.get(i));
            left.set(i, example);
        }
        return List.copyOf(left.subList(0, settings.shots()));
    }

    PromptBuilder prompts(Tokenizer tokenizer, int context, int run) {
        return new PromptBuilder(tokenizer, context, task.scoring(), settings, draw(run));
    }

    /**
     * The questions as training sees them; empty where one does not fit the context.
     *
     * @param context the model's, in tokens
     */
    public List<Optional<TrainingExample>> exercises(Tokenizer tokenizer, int context) {
        PromptBuilder prompts = prompts(tokenizer, context, 0);
        Normalisation normalisation = task.scoring().normalise();
        return examples.stream()
                .map(example -> prompts.build(example)
                        .map(built -> new TrainingExample(
                                example.place(),
                                IntStream.range(0, built.candidates().size())
                                        .mapToObj(i -> normalisation.terms(
                                                built.candidates().get(i),
                                                built.alone().isEmpty()
                                                        ? null
                                                        : built.alone().get(i)))
                                        .toList(),
                                example.gold())))
                .toList();
    }

    /**
     * What a model's scores of the candidates make of each question.
     *
     * @param scores a question's candidates', in their order; empty for a question that was left out
     */
    public TaskRun run(List<double[]> scores) {
        Measure measure = task.scoring().measure();
        double[][] outcomes = new double[scores.size()][];
        for (int i = 0; i < outcomes.length; i++) {
            outcomes[i] = scores.get(i).length == 0
                    ? new double[0]
                    : measure.outcome(examples.get(i), scores.get(i), List.of());
        }
        return new TaskRun(outcomes, 0, 0);
    }

    /** The result of some runs over these questions. */
    public TaskResult result(List<TaskRun> runs) {
        return TaskResults.of(this, runs, List.of());
    }

    /**
     * Two parts of the questions, apart by chance: those to keep, and those to hold out.
     *
     * @param share held out, at least one question
     */
    public List<Questions> holdOut(double share, long seed) {
        int held = Math.max(1, (int) Math.round(share * count()));
        if (held >= count()) {
            throw new EvalException(task.name() + ": " + count() + " questions of " + split
                    + " are too few to hold some of them out; give a split to validate on");
        }
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < count(); i++) {
            order.add(i);
        }
        Collections.shuffle(
                order, new Random(new RandomKey(seed).fold("held out").value()));
        Set<Integer> out = Set.copyOf(order.subList(0, held));
        return Stream.of(false, true)
                .map(chosen -> part(IntStream.range(0, count())
                        .filter(i -> out.contains(i) == chosen)
                        .mapToObj(examples::get)
                        .toList()))
                .toList();
    }

    private Questions part(List<Example> some) {
        return new Questions(task, settings, split, file, checksum, some, pool, poolSource);
    }

    /** Everything that a run's outcomes depend on beside the model, as a text. */
    public String identity(int run) {
        String draws = settings.shots() == 0 ? "" : settings.shots() + " of seed " + settings.seed() + ", run " + run;
        return String.join(
                "\n",
                task.name(),
                task.yaml(),
                split,
                checksum,
                draws,
                Integer.toString(settings.limit()),
                Boolean.toString(settings.beginToken()),
                settings.newlines().name());
    }
}
