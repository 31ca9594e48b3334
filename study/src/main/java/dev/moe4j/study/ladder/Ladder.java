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
 * What a study compares: models × budgets × seeds × data, and what each is measured on. The YAML file's keys are these
 * names in snake case; docs/studies/README.md explains them. All paths are relative to the folder of data that goes with
 * it.
 *
 * @param title heading of the report
 * @param threads of each run
 * @param device of trainings, evaluations and fine-tunings: {@code cpu}, {@code cuda} or {@code cuda:N}
 * @param watts that one run is taken to draw where the machine does not measure its energy
 * @param data training texts by name
 * @param set configuration of all models, {@code dotted.key: value}
 * @param models in the order to train them; neighbours run side by side
 * @param budgets training tokens, for models that have none of their own
 * @param seeds likewise
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
     * A text to train on.
     *
     * @param inputs files, folders or patterns, as the command takes them
     * @param prepared instead of inputs: a folder of shards, which says itself how it was prepared
     * @param tokenizer of inputs
     * @param split what one document is: {@code file}, {@code blank-line} or {@code paper}
     * @param collapseSpaces make each run of spaces one
     */
    record Text(
            List<String> inputs, @Nullable String prepared, String tokenizer, String split, boolean collapseSpaces) {
        private Text() {
            this(List.of(), null, "gpt2", "blank-line", false);
        }
    }

    /**
     * A model.
     *
     * @param name as the report calls it
     * @param preset or YAML file that it starts from
     * @param set its own configuration, over the ladder's
     * @param budgets training tokens; empty for the ladder's
     * @param seeds empty for the ladder's
     */
    record Model(@Nullable String name, String preset, Map<String, String> set, List<Long> budgets, List<Long> seeds) {
        private Model() {
            this(null, "cpu-tiny-moe", Map.of(), List.of(), List.of());
        }
    }

    /**
     * What every trained model is measured on.
     *
     * @param inDomain held-out texts of the kinds that were trained on, by name
     * @param outOfDomain texts of other kinds
     * @param maxWindows scored of each text, spread evenly
     * @param precision of evaluation
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
     * Tasks that are put alike.
     *
     * @param names of tasks, or paths of YAML files
     * @param shots examples before each question
     * @param runs with other examples
     * @param limit questions of each task
     */
    record Tasks(List<String> names, int shots, int runs, int limit) {
        private Tasks() {
            this(List.of(), 0, 5, Integer.MAX_VALUE);
        }
    }

    /**
     * A fine-tuning of each named model at its largest budget with its first seed.
     *
     * @param tasks each on its own
     * @param models empty for all
     * @param options words of the {@code finetune} command beyond those that the study gives
     */
    record Finetune(List<String> tasks, List<String> models, List<String> options) {
        private Finetune() {
            this(List.of(), List.of(), List.of());
        }
    }

    /**
     * Reads a ladder and checks what can be checked without its data.
     *
     * @throws StudyException if it asks for something that there is not
     */
    public static Ladder read(Path file) {
        Ladder ladder = ConfigReader.read(EMPTY, file, List.of());
        ladder.check(file);
        return ladder;
    }

    /** Whether what runs side by side shares processors alone, and no GPU. */
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
            require(model.name != null, file, "models: one has no name; give each a name of its own");
            require(names.add(model.name), file, "models: two are called " + model.name);
            List<Long> tokens = model.budgets.isEmpty() ? budgets : model.budgets;
            require(
                    !tokens.isEmpty() && tokens.stream().allMatch(each -> each > 0),
                    file,
                    "models: " + model.name + " has no budgets of training tokens; give them there or for all");
            require(distinct(tokens), file, "models: " + model.name + " has a budget twice");
            require(!(model.seeds.isEmpty() && seeds.isEmpty()), file, "seeds is empty; leave it out for 1");
            require(
                    distinct(model.seeds.isEmpty() ? seeds : model.seeds),
                    file,
                    "models: " + model.name + " has a seed twice, which would count as two");
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
                require(names.contains(model), file, "finetune: no model is called " + model + nearest(model, names));
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
                "data." + name + ".split: " + text.split + " is none of file, blank-line and paper");
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
        require(!group.names.isEmpty(), file, key + " names no tasks; name some or leave " + key + " out");
        require(group.runs >= 1 && group.limit >= 1 && group.shots >= 0, file, key + ": a number is too small");
        require(evaluate.tasks != null, file, key + " needs evaluate.tasks, the folder of the tasks' files");
        for (String name : group.names) {
            try {
                // A file's path is not known before the plan.
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
