package dev.moe4j.study.ladder;

import dev.moe4j.base.text.NearestName;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.task.Task;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Describes a study: models × budgets × seeds × training texts, and the evaluations of each trained model. The YAML
 * file's keys are the component names in snake case; docs/studies/README.md explains them. Data paths are relative to the
 * study's data folder.
 *
 * @param title heading of the report
 * @param threads threads of each run
 * @param device device of training, evaluation and fine-tuning: {@code cpu}, {@code cuda} or {@code cuda:N}
 * @param watts assumed power of one run if the machine does not measure energy
 * @param data training texts by name
 * @param set configuration of all models, {@code dotted.key: value}
 * @param models models in training order; neighbours run in parallel
 * @param budgets training tokens, for models that set no budgets
 * @param seeds seeds, for models that set no seeds
 * @param evaluate evaluations of each trained model
 * @param finetune fine-tunings of trained models
 */
public record Ladder(
        String title,
        int threads,
        String device,
        double watts,
        Map<String, Text> data,
        Map<String, String> set,
        List<Model> models,
        List<Long> budgets,
        List<Long> seeds,
        Evaluation evaluate,
        List<Finetune> finetune) {

    static final Ladder EMPTY = new Ladder();

    private Ladder() {
        this(
                "Does a mixture of experts pay?",
                1,
                "cpu",
                10,
                Map.of(),
                Map.of(),
                List.of(),
                List.of(),
                List.of(1L),
                new Evaluation(),
                List.of());
    }

    /**
     * A training text.
     *
     * @param inputs files, folders or patterns, as {@code moe4j prepare} takes them
     * @param prepared a folder of prepared shards instead of {@code inputs}; its manifest records how it was prepared
     * @param tokenizer tokenizer of {@code inputs}
     * @param split document boundary: {@code file}, {@code blank-line} or {@code paper}
     * @param collapseSpaces whether each run of spaces becomes one space
     */
    record Text(
            List<String> inputs, @Nullable String prepared, String tokenizer, String split, boolean collapseSpaces) {
        private Text() {
            this(List.of(), null, "gpt2", "blank-line", false);
        }
    }

    /**
     * A model to train.
     *
     * @param name name in the report
     * @param preset preset or YAML file of the base configuration
     * @param set configuration that overrides the ladder's {@code set}
     * @param budgets training tokens; empty for the ladder's budgets
     * @param seeds seeds; empty for the ladder's seeds
     */
    record Model(@Nullable String name, String preset, Map<String, String> set, List<Long> budgets, List<Long> seeds) {
        private Model() {
            this(null, "cpu-tiny-moe", Map.of(), List.of(), List.of());
        }
    }

    /**
     * The evaluations of each trained model.
     *
     * @param inDomain held-out texts from the training domains, by name
     * @param outOfDomain texts from other domains, by name
     * @param maxWindows most windows to score of each text, spread evenly
     * @param precision precision of evaluation
     * @param tasks folder with the tasks' files
     * @param zeroShot zero-shot tasks
     * @param fewShot few-shot tasks
     * @param bias bias tasks
     */
    record Evaluation(
            Map<String, String> inDomain,
            Map<String, String> outOfDomain,
            long maxWindows,
            String precision,
            @Nullable String tasks,
            @Nullable Tasks zeroShot,
            @Nullable Tasks fewShot,
            @Nullable Tasks bias) {
        private Evaluation() {
            this(Map.of(), Map.of(), Long.MAX_VALUE, "fp32", null, null, null, null);
        }
    }

    /**
     * Tasks that are evaluated with the same settings.
     *
     * @param names names of tasks, or paths of YAML files
     * @param shots examples before each question
     * @param runs number of runs, each with different examples
     * @param limit most questions of each task
     */
    record Tasks(List<String> names, int shots, int runs, int limit) {
        private Tasks() {
            this(List.of(), 0, 5, Integer.MAX_VALUE);
        }
    }

    /**
     * Fine-tunes each named model, trained with its largest budget and its first seed.
     *
     * @param tasks tasks; each is fine-tuned separately
     * @param models names of models; empty for all
     * @param options further options of the {@code finetune} command
     */
    record Finetune(List<String> tasks, List<String> models, List<String> options) {
        private Finetune() {
            this(List.of(), List.of(), List.of());
        }
    }

    /**
     * Reads a ladder and checks everything that can be checked without its data.
     *
     * @throws StudyException if a value is invalid, or a name is unknown
     */
    public static Ladder read(Path file) {
        Ladder ladder = ConfigReader.read(EMPTY, file, List.of());
        ladder.check(file);
        return ladder;
    }

    /** Whether runs use only the CPU. */
    public boolean onProcessors() {
        return device.equals("cpu");
    }

    private void check(Path file) {
        require(threads >= 1 && watts > 0, file, "threads must be at least 1 and watts above 0");
        require(
                device.matches("cpu|cuda(:\\d{1,2})?"),
                file,
                "device: " + device + " is unknown; use cpu, cuda or cuda:N");
        require(!data.isEmpty(), file, "data names no text to train on; give one, as in data: {web: {inputs: [web]}}");
        require(!models.isEmpty(), file, "models is empty; give at least one");
        data.forEach((name, text) -> check(file, name, text));
        Set<String> names = new HashSet<>();
        for (Model model : models) {
            require(model.name != null, file, "models: a model has no name; give each a unique name");
            require(names.add(model.name), file, "models: two are named " + model.name);
            List<Long> tokens = model.budgets.isEmpty() ? budgets : model.budgets;
            require(
                    !tokens.isEmpty() && tokens.stream().allMatch(each -> each > 0),
                    file,
                    "models: " + model.name
                            + " has no budgets of training tokens; set budgets for the model or for the ladder");
            require(distinct(tokens), file, "models: " + model.name + " has a budget twice");
            require(!(model.seeds.isEmpty() && seeds.isEmpty()), file, "seeds is empty; omit it to use seed 1");
            require(
                    distinct(model.seeds.isEmpty() ? seeds : model.seeds),
                    file,
                    "models: " + model.name + " has a seed twice, which would count as two seeds");
        }
        checkTasks(file, "evaluate.zero_shot", evaluate.zeroShot);
        checkTasks(file, "evaluate.few_shot", evaluate.fewShot);
        checkTasks(file, "evaluate.bias", evaluate.bias);
        require(
                evaluate.fewShot == null || evaluate.fewShot.shots > 0,
                file,
                "evaluate.few_shot.shots must be above 0");
        for (Finetune each : finetune) {
            checkTasks(file, "finetune", new Tasks(each.tasks, 0, 1, 1));
            for (String model : each.models) {
                require(names.contains(model), file, "finetune: no model is named " + model + nearest(model, names));
            }
        }
        for (String name : evaluate.inDomain.keySet()) {
            require(
                    !evaluate.outOfDomain.containsKey(name),
                    file,
                    "evaluate: " + name + " is in_domain and out_of_domain; keep one");
        }
    }

    private static boolean distinct(List<Long> values) {
        return values.stream().distinct().count() == values.size();
    }

    private static void check(Path file, String name, Text text) {
        require(
                text.inputs.isEmpty() != (text.prepared == null),
                file,
                "data." + name + ": give inputs, or a folder of prepared text");
        require(
                Set.of("file", "blank-line", "paper").contains(text.split),
                file,
                "data." + name + ".split: " + text.split + " is unknown; use file, blank-line or paper");
        try {
            Tokenizer _ = Tokenizer.of(text.tokenizer);
        } catch (DataException e) {
            throw new StudyException(file + ": data." + name + ".tokenizer: " + e.getMessage(), e);
        }
    }

    private void checkTasks(Path file, String key, @Nullable Tasks group) {
        if (group == null) {
            return;
        }
        require(!group.names.isEmpty(), file, key + " names no tasks; name some or omit " + key);
        require(
                group.runs >= 1 && group.limit >= 1 && group.shots >= 0,
                file,
                key + ": runs and limit must be at least 1, shots at least 0");
        require(evaluate.tasks != null, file, key + " needs evaluate.tasks, the folder with the tasks' files");
        for (String name : group.names) {
            try {
                // The plan checks files, whose paths are resolved there.
                List<Task> _ = ConfigReader.isFile(name) ? List.of() : Task.named(name);
            } catch (EvalException e) {
                throw new StudyException(file + ": " + key + ": " + e.getMessage(), e);
            }
        }
    }

    private static void require(boolean holds, Path file, String message) {
        if (!holds) {
            throw new StudyException(file + ": " + message);
        }
    }

    private static String nearest(String name, Set<String> names) {
        List<String> near = NearestName.names(name, names, 3);
        return near.isEmpty() ? "" : "; the nearest are " + String.join(", ", near);
    }
}
