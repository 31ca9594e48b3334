package dev.moe4j.study.ladder;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.text.Numbers;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.config.ConfigWriter;
import dev.moe4j.data.statistics.TextOverlap;
import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.ResultCache;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskSettings;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyIndex;
import dev.moe4j.train.config.RunConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The steps of a ladder and the runs that they belong to. A step's folder name is a hash of everything that its result
 * depends on, so equal steps are planned once, and a changed ladder reuses the steps that did not change.
 */
public final class StudyPlan {

    private final Ladder ladder;
    private final Path file;
    private final Path root;
    private final Path folder;
    private final Map<Path, Step> steps = new LinkedHashMap<>();
    private final List<StudyIndex.Run> runs = new ArrayList<>();
    private final Map<String, String> digests = new LinkedHashMap<>();
    private final TextSteps texts;

    private StudyPlan(Ladder ladder, Path file, Path root, Path folder) {
        this.ladder = ladder;
        this.file = file;
        this.root = root;
        this.folder = folder.toAbsolutePath().resolve("steps");
        this.texts = new TextSteps(file, root, this.folder, ladder.threads(), this::add);
    }

    /**
     * Plans a ladder. Reads all data once to compute checksums and to find errors before anything runs.
     *
     * @param ladder the ladder
     * @param file the ladder's file; configuration files are resolved against its folder
     * @param root folder of the data
     * @param folder folder of the study
     * @throws StudyException if a text, task or preset of the ladder is missing or invalid
     */
    public static StudyPlan of(Ladder ladder, Path file, Path root, Path folder) {
        StudyPlan plan = new StudyPlan(ladder, file, root, folder);
        ladder.data().forEach(plan::addData);
        return plan;
    }

    /** All steps without duplicates, sorted by kind. Steps of one kind keep the ladder's order. */
    public List<Step> steps() {
        return steps.values().stream()
                .sorted((a, b) -> a.kind().compareTo(b.kind()))
                .toList();
    }

    public StudyIndex index(String machine) {
        return new StudyIndex(
                ladder.title(),
                machine,
                ladder.watts(),
                ladder.threads(),
                List.copyOf(ladder.evaluate().inDomain().keySet()),
                List.copyOf(ladder.evaluate().outOfDomain().keySet()),
                runs);
    }

    private void addData(String name, Ladder.Text text) {
        TextSteps.Prepared prepared = text.prepared() == null
                ? texts.prepare("data." + name, name, text)
                : texts.existing("data." + name + ".prepared", text.prepared());
        // The ladder's neighbouring models come next to each other, so that they run in parallel.
        int budgets = ladder.models().stream()
                .mapToInt(model -> budgets(model).size())
                .max()
                .orElse(0);
        int seeds = ladder.models().stream()
                .mapToInt(model -> seeds(model).size())
                .max()
                .orElse(0);
        for (int seed = 0; seed < seeds; seed++) {
            for (int budget = 0; budget < budgets; budget++) {
                for (Ladder.Model model : ladder.models()) {
                    if (seed < seeds(model).size() && budget < budgets(model).size()) {
                        boolean tuned = seed == 0 && budgets(model).get(budget).equals(Collections.max(budgets(model)));
                        addRun(
                                name,
                                prepared,
                                model,
                                budgets(model).get(budget),
                                seeds(model).get(seed),
                                tuned);
                    }
                }
            }
        }
    }

    private List<Long> budgets(Ladder.Model model) {
        return model.budgets().isEmpty() ? ladder.budgets() : model.budgets();
    }

    private List<Long> seeds(Ladder.Model model) {
        return model.seeds().isEmpty() ? ladder.seeds() : model.seeds();
    }

    private void addRun(
            String data, TextSteps.Prepared prepared, Ladder.Model model, long budget, long seed, boolean tuned) {
        Map<String, String> keys = new LinkedHashMap<>(ladder.set());
        keys.putAll(model.set());
        keys.put("seed", Long.toString(seed));
        List<String> overrides = keys.entrySet().stream()
                .map(entry -> entry.getKey() + "=" + entry.getValue())
                .toList();
        String preset = nameOrFile(model.preset());
        RunConfig config = RunConfig.read(preset, overrides).forVocabulary(prepared.vocabulary());
        if (config.evaluation().patience() > 0) {
            // A model is compared at its full budget, at the end of its learning rate schedule.
            throw new StudyException(file + ": models: " + model.name() + ": evaluation.patience "
                    + config.evaluation().patience()
                    + " may end a run before its budget, but models are compared at their budgets;"
                    + " set evaluation.patience to 0");
        }
        long tokensPerStep = (long) config.batch().sequences() * config.model().context();
        long updates = Math.max(1, Math.ceilDiv(budget, tokensPerStep));
        Architecture architecture = config.architecture();
        Cost cost = Cost.of(architecture);
        long tokens = updates * tokensPerStep;
        String name = Objects.requireNonNull(model.name());
        String title = "%s, %sM tokens, seed %d%s"
                .formatted(
                        name,
                        Numbers.significant(tokens / 1e6, 3),
                        seed,
                        ladder.data().size() > 1 ? ", " + data : "");

        ObjectNode identity = Step.object();
        ObjectNode resolved = ConfigWriter.toJson(config);
        StudyIndex.WITHOUT_EFFECT.forEach(resolved::remove);
        identity.set("config", resolved);
        identity.put("steps", updates);
        identity.put("data", prepared.key());
        identity.put("threads", ladder.threads());
        putDevice(identity);
        Path run = Step.folder(folder, Step.Kind.TRAIN, identity);
        List<String> command = new ArrayList<>(List.of(
                "train",
                "--model=" + preset,
                "--data=" + prepared.folder(),
                "--steps=" + updates,
                "--device=" + ladder.device(),
                "--out=" + run.resolve("run"),
                "--resume",
                "--json"));
        overrides.forEach(override -> command.add("--set=" + override));
        Step train = add(new Step(
                Step.Kind.TRAIN,
                title,
                identity,
                run,
                command,
                prepared.needs(),
                cost.trainingFlopsPerToken() * tokens,
                updates));

        Ladder.Evaluation evaluate = ladder.evaluate();
        runs.add(new StudyIndex.Run(
                name,
                data,
                prepared.key(),
                prepared.as().tokenizer(),
                architecture.model().experts(),
                cost.parametersTotal(),
                cost.parametersActive(),
                cost.trainingFlopsPerToken(),
                3 * cost.forward().router(),
                cost.publishedZettaFlops(1) * 1e21,
                ConfigWriter.toYaml(config),
                tokens,
                seed,
                train.name(),
                overlap(data, prepared),
                perplexity(train, prepared, cost),
                tasks(train, "zero-shot", evaluate.zeroShot(), cost),
                tasks(train, "few-shot", evaluate.fewShot(), cost),
                tasks(train, "bias", evaluate.bias(), cost),
                tuned ? finetune(train, name, cost) : List.of()));
    }

    private Step add(Step step) {
        Step earlier = steps.putIfAbsent(step.folder(), step);
        return earlier == null ? step : earlier;
    }

    /** Plans the search for evaluation texts in the training text. All models that train on it share the step. */
    private @Nullable String overlap(String data, TextSteps.Prepared training) {
        Map<String, TextSteps.Prepared> sets = evaluationTexts(training);
        if (sets.isEmpty()) {
            return null;
        }
        ObjectNode identity = Step.object();
        identity.put("training", training.key());
        identity.put("words", TextOverlap.WORDS);
        ObjectNode keys = identity.putObject("sets");
        List<Step> needs = new ArrayList<>(training.needs());
        List<String> command = new ArrayList<>(List.of("data", "overlap", "--training=" + training.folder(), "--json"));
        sets.forEach((name, set) -> {
            keys.put(name, set.key());
            needs.addAll(set.needs());
            command.add("--data=" + name + "=" + set.folder());
        });
        return add(new Step(
                        Step.Kind.OVERLAP,
                        "look for evaluation texts in " + data,
                        identity,
                        Step.folder(folder, Step.Kind.OVERLAP, identity),
                        command,
                        needs,
                        1,
                        0))
                .name();
    }

    /** The texts that perplexity is measured on, by name, prepared like the training text. */
    private Map<String, TextSteps.Prepared> evaluationTexts(TextSteps.Prepared training) {
        Map<String, String> paths = new LinkedHashMap<>(ladder.evaluate().inDomain());
        paths.putAll(ladder.evaluate().outOfDomain());
        Map<String, TextSteps.Prepared> sets = new LinkedHashMap<>();
        paths.forEach((name, path) -> sets.put(name, texts.prepareLike(training, "evaluate: " + name, name, path)));
        return sets;
    }

    private @Nullable String perplexity(Step train, TextSteps.Prepared data, Cost cost) {
        Ladder.Evaluation evaluate = ladder.evaluate();
        Map<String, TextSteps.Prepared> sets = evaluationTexts(data);
        if (sets.isEmpty()) {
            return null;
        }
        ObjectNode identity = measurement(train);
        identity.put("max_windows", evaluate.maxWindows());
        ObjectNode keys = identity.putObject("sets");
        List<Step> needs = new ArrayList<>(List.of(train));
        List<String> folders = new ArrayList<>();
        sets.forEach((name, set) -> {
            keys.put(name, set.key());
            needs.addAll(set.needs());
            folders.add(name + "=" + set.folder());
        });
        List<String> command = new ArrayList<>(List.of(
                "eval",
                "perplexity",
                "--checkpoint=" + train.folder().resolve("run"),
                "--device=" + ladder.device(),
                "--precision=" + evaluate.precision(),
                "--max-windows=" + evaluate.maxWindows(),
                "--results=" + train.folder().resolve("perplexity.jsonl"),
                "--json"));
        folders.forEach(each -> command.add("--data=" + each));
        return measure(Step.Kind.PERPLEXITY, "perplexity", train, identity, command, needs, cost);
    }

    private @Nullable String tasks(Step train, String what, Ladder.@Nullable Tasks group, Cost cost) {
        if (group == null) {
            return null;
        }
        Path tasks = taskFolder();
        ObjectNode identity = measurement(train);
        ArrayNode names = identity.putArray("tasks");
        group.names().forEach(name -> names.add(questions(name, group)));
        identity.put("runs", group.runs());
        List<String> command = new ArrayList<>(List.of(
                "eval",
                "tasks",
                "--checkpoint=" + train.folder().resolve("run"),
                "--device=" + ladder.device(),
                "--precision=" + ladder.evaluate().precision(),
                "--data=" + tasks,
                "--shots=" + group.shots(),
                "--runs=" + group.runs(),
                "--limit=" + group.limit(),
                "--results=" + train.folder().resolve(what + ".jsonl"),
                "--json"));
        group.names().forEach(name -> command.add("--task=" + nameOrFile(name)));
        return measure(Step.Kind.TASKS, what, train, identity, command, List.of(train), cost);
    }

    private List<String> finetune(Step train, String model, Cost cost) {
        Set<String> names = new LinkedHashSet<>(); // entries may overlap
        for (Ladder.Finetune each : ladder.finetune()) {
            if (!each.models().isEmpty() && !each.models().contains(model)) {
                continue;
            }
            Ladder.Tasks one = new Ladder.Tasks(each.tasks(), 0, 1, Integer.MAX_VALUE);
            for (String task : each.tasks()) {
                ObjectNode identity = measurement(train);
                identity.put("task", questions(task, one));
                identity.put("files", files(task));
                ArrayNode options = identity.putArray("options");
                each.options().forEach(options::add);
                Path to = Step.folder(folder, Step.Kind.FINETUNE, identity);
                List<String> command = new ArrayList<>(List.of(
                        "finetune",
                        "--checkpoint=" + train.folder().resolve("run"),
                        "--data=" + taskFolder(),
                        "--device=" + ladder.device(),
                        "--precision=" + ladder.evaluate().precision(),
                        "--task=" + nameOrFile(task),
                        "--out=" + to.resolve("run"),
                        "--json"));
                command.addAll(each.options());
                names.add(measure(
                        Step.Kind.FINETUNE, "fine-tuning on " + task, train, identity, command, List.of(train), cost));
            }
        }
        return List.copyOf(names);
    }

    private ObjectNode measurement(Step train) {
        ObjectNode identity = Step.object()
                .put("checkpoint", train.name())
                .put("precision", ladder.evaluate().precision())
                .put("scoring_version", ResultCache.SCORING_VERSION);
        putDevice(identity);
        return identity;
    }

    /** The CPU is not recorded, so that studies from before devices were configurable keep their names. */
    private void putDevice(ObjectNode identity) {
        if (!ladder.onProcessors()) {
            identity.put("device", ladder.device());
        }
    }

    private String measure(
            Step.Kind kind,
            String what,
            Step train,
            ObjectNode identity,
            List<String> command,
            List<Step> needs,
            Cost cost) {
        return add(new Step(
                        kind,
                        what + " of " + train.title(),
                        identity,
                        Step.folder(folder, kind, identity),
                        command,
                        needs,
                        cost.forwardFlopsPerToken(),
                        0))
                .name();
    }

    /** Checksum of all splits of a task: the options of a fine-tuning may select any of them. */
    private String files(String name) {
        return digests.computeIfAbsent(
                "files of " + name,
                _ -> Sha256.of(Task.named(nameOrFile(name)).stream()
                        .map(task -> Questions.checksums(task, taskFolder()))
                        .reduce("", String::concat)));
    }

    /** Checksum of the questions as they are asked. Reading them also finds errors in the task's files. */
    private String questions(String name, Ladder.Tasks group) {
        return digests.computeIfAbsent("task " + name + " " + group, _ -> {
            TaskSettings settings = TaskSettings.ZERO_SHOT
                    .withShots(group.shots(), group.runs())
                    .withLimit(group.limit());
            return Sha256.of(Stream.of(nameOrFile(name))
                    .flatMap(each -> Task.named(each).stream())
                    .map(task -> Questions.read(task, taskFolder(), settings).identity(0))
                    .reduce("", String::concat));
        });
    }

    /** A preset's or task's name, or its file resolved against the ladder's folder. */
    private String nameOrFile(String name) {
        return ConfigReader.isFile(name)
                ? file.toAbsolutePath().resolveSibling(name).toString()
                : name;
    }

    private Path taskFolder() {
        Path tasks = root.resolve(Objects.requireNonNull(ladder.evaluate().tasks()));
        texts.require("evaluate.tasks", tasks);
        return tasks;
    }
}
