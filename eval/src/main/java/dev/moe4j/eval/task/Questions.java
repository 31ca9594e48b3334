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

/** The questions of a task, read from its files, with the pool of few-shot examples. */
public final class Questions {

    /** If a task lacks a file of examples, one in this many records of the scored split becomes an example. */
    private static final int HOLD_OUT_INTERVAL = 10;

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
     * Reads the files of a task.
     *
     * @param folder the folder with the published files, either directly or in a subfolder named like the task
     * @throws EvalException if a file is missing, a record does not match the task's description or lacks a label, or
     *     there are fewer examples than shots
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
                        "every " + HOLD_OUT_INTERVAL + "th record of " + split + ", left out of the questions"));
        if (questions.pool.size() < settings.shots() || questions.examples.isEmpty()) {
            throw new EvalException(task.name() + ": " + settings.shots() + " examples are asked for, but "
                    + questions.poolSource + " has " + questions.pool.size() + "; use fewer shots");
        }
        return questions;
    }

    /** Whether a task has a split, and its file exists. */
    public static boolean isThere(Task task, Path folder, String split) {
        return task.splits().contains(split)
                && TaskData.file(task, folder, split).isPresent();
    }

    /** Lists the checksums of all available files of a task, whether their splits are used or not. */
    public static String checksums(Task task, Path folder) {
        return TaskData.checksums(task, folder);
    }

    private static List<Example> every(List<Example> all, boolean chosen) {
        return IntStream.range(0, all.size())
                .filter(i -> (i % HOLD_OUT_INTERVAL == HOLD_OUT_INTERVAL - 1) == chosen)
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

    /** The number of questions. */
    public int count() {
        return examples.size();
    }

    /** The number of questions, summed over all runs. */
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

    /**
     * Draws the few-shot examples of a run uniformly without replacement. The draw depends on seed, task and run only.
     */
    List<Example> draw(int run) {
        SplittableRandom random = new SplittableRandom(
                new RandomKey(settings.seed()).fold(task.name()).fold(run).value());
        List<Example> remaining = new ArrayList<>(pool);
        for (int i = 0; i < settings.shots(); i++) {
            int chosen = i + random.nextInt(remaining.size() - i);
            Example example = remaining.get(chosen);
            remaining.set(chosen, remaining.get(i));
            remaining.set(i, example);
        }
        return List.copyOf(remaining.subList(0, settings.shots()));
    }

    PromptBuilder prompts(Tokenizer tokenizer, int context, int run) {
        return new PromptBuilder(tokenizer, context, task.scoring(), settings, draw(run));
    }

    /**
     * Converts the questions to training examples; empty for a question that does not fit the context.
     *
     * @param context the model's context in tokens
     */
    public List<Optional<TrainingExample>> trainingExamples(Tokenizer tokenizer, int context) {
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
     * Computes the outcome of each question from the scores of its candidates.
     *
     * @param scores the scores of each question's candidates, in order; empty for a question that was left out
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

    /** Combines runs over these questions into a result. */
    public TaskResult result(List<TaskRun> runs) {
        return TaskResults.of(this, runs, List.of());
    }

    /**
     * Splits the questions randomly into two parts: the part to keep, and the part to hold out.
     *
     * @param share the share to hold out; at least one question is
     * @throws EvalException if no question would be kept
     */
    public List<Questions> holdOut(double share, long seed) {
        int held = Math.max(1, (int) Math.round(share * count()));
        if (held >= count()) {
            throw new EvalException(task.name() + ": " + count() + " questions of " + split
                    + " are too few to hold some out; choose a split for validation");
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

    /** All inputs of a run's outcomes other than the model, as text for a cache key. */
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
