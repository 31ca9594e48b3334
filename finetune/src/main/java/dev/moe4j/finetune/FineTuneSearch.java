package dev.moe4j.finetune;

import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.ResultCache;
import dev.moe4j.eval.task.TaskEvaluation;
import dev.moe4j.eval.task.TaskResult;
import dev.moe4j.eval.task.TaskRun;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.checkpoint.ModelFolders;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * Fine-tunes a checkpoint on a task with every learning rate of a grid and every seed, and measures it before and after.
 * A run is known by all that it depends on; in the folder {@code runs.jsonl} has those that are finished, so that an
 * interrupted search goes on, and a wider one takes what there is. Of each rate the best seed's model is kept, named by
 * its run's key.
 */
public final class FineTuneSearch {

    private static final String RUNS = "runs.jsonl";
    private static final int NAME_LENGTH = 16;

    private final CheckpointReader checkpoint;
    private final Tokenizer tokenizer;
    private final Precision precision;
    private final Device device;
    private final FineTuneData data;
    private final FineTuneSettings settings;
    private final String identity;

    /** Hears how far a search is. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Is called after each update.
         *
         * @param updates done, those of runs that ended early or are finished already included
         * @param total of all runs
         * @param text what is being done
         */
        void made(long updates, long total, String text);
    }

    /**
     * @param checkpoint stays its caller's to close
     * @throws FineTuneException if head, task and model do not go together
     */
    public FineTuneSearch(
            CheckpointReader checkpoint,
            Tokenizer tokenizer,
            Precision precision,
            Device device,
            FineTuneData data,
            FineTuneSettings settings) {
        this.checkpoint = checkpoint;
        this.tokenizer = tokenizer;
        this.precision = precision;
        this.device = device;
        this.data = data;
        this.settings = settings;
        check();
        this.identity = String.join(
                "\n", checkpoint.digest(), tokenizer.hash(), precision.toString(), device.toString(), data.identity());
    }

    private void check() {
        if (settings.learningRates().isEmpty() || settings.seeds().isEmpty()) {
            throw new FineTuneException("a search needs at least one learning rate and one seed");
        }
        if (precision.equals(Precision.FP16)) {
            throw new FineTuneException("fine-tuning does not scale its loss, which fp16 needs; use bf16 or fp32");
        }
        boolean dense = checkpoint.architecture().model().experts() == 0;
        if (dense && (settings.freezeRouter() || settings.freezeExperts() || settings.expertDropout() != null)) {
            throw new FineTuneException("the model in " + checkpoint.folder()
                    + " is dense: it has no router or experts to freeze or drop from; leave these options out");
        }
        if (data.task().generates() && settings.head() != FineTuneSettings.Head.ANSWER) {
            throw new FineTuneException("the task " + data.task()
                    + " has an answer to say and none to choose from; use " + "--head answer");
        }
    }

    /**
     * Makes what is not finished.
     *
     * @param out the folder for finished runs and models, which is created where it is missing
     * @throws FineTuneException if every run diverges
     */
    public FineTuneResult run(Path out, Progress progress) {
        try (ModelFolders models = ModelFolders.lock(out)) {
            return new Search(models, ResultCache.open(out.resolve(RUNS), FineTuneRun.class), progress).result();
        }
    }

    private Architecture architecture() {
        Architecture own = checkpoint.architecture();
        return new Architecture(
                own.model().withDropout(settings.dropout()),
                own.ungrouped().routing(),
                settings.balance() ? own.balance() : own.balance().off());
    }

    /** One run's place in the grid. */
    private record Cell(double rate, long seed, String key, FineTuneRun run) {
        String name() {
            return key.substring(0, NAME_LENGTH);
        }
    }

    /** A search on its way. */
    private final class Search {
        private final ModelFolders models;
        private final ResultCache<FineTuneRun> finished;
        private final Progress progress;
        private final long updates = FineTuner.updates(data, settings);
        private final long total =
                updates * settings.learningRates().size() * settings.seeds().size();
        private long done;

        Search(ModelFolders models, ResultCache<FineTuneRun> finished, Progress progress) {
            this.models = models;
            this.finished = finished;
            this.progress = progress;
        }

        FineTuneResult result() {
            TaskRun before = zeroShot();
            List<Cell> all = new ArrayList<>();
            for (double rate : settings.learningRates()) {
                List<Cell> cells = new ArrayList<>();
                for (long seed : settings.seeds()) {
                    cells.add(cell(rate, seed, best(cells)));
                }
                all.addAll(cells);
            }
            double chosen = settings.learningRates().stream()
                    .filter(rate ->
                            of(all, rate).stream().allMatch(cell -> cell.run().usable()))
                    .max(Comparator.<Double>comparingDouble(rate -> validation(of(all, rate)))
                            .thenComparing(Comparator.reverseOrder()))
                    .orElseThrow(() -> new FineTuneException("every learning rate of " + settings.learningRates()
                            + " diverged with some seed; give smaller ones"));
            Cell best = best(of(all, chosen));
            if (best == null) {
                throw new FineTuneException("no run is usable; give smaller learning rates");
            }
            if (!models.has(best.name())) {
                train(best.rate(), best.seed(), best.key(), null); // its folder was deleted
            }
            return describe(before, all, chosen, best);
        }

        private TaskRun zeroShot() {
            String key = ResultCache.key(identity, "zero-shot");
            Optional<FineTuneRun> known = finished.find(key);
            if (known.isPresent()) {
                return known.get().test();
            }
            progress.made(0, total, "zero-shot");
            long start = System.nanoTime();
            try (LanguageModel model =
                    checkpoint.model(checkpoint.architecture().ungrouped(), precision, device)) {
                TaskRun run = TaskEvaluation.of(model, tokenizer)
                        .batchTokens(settings.batchTokens())
                        .run(data.test(), 0);
                double seconds = (System.nanoTime() - start) / 1e9;
                finished.add(key, data.task() + " zero-shot", new FineTuneRun(List.of(), 0, 0, false, run, seconds));
                return run;
            }
        }

        private Cell cell(double rate, long seed, @Nullable Cell bestSoFar) {
            String key = ResultCache.key(identity, settings.identity(), Double.toString(rate), Long.toString(seed));
            FineTuneRun run = finished.find(key).orElse(null);
            if (run == null) {
                run = train(rate, seed, key, bestSoFar);
                finished.add(key, data.task() + ", learning rate " + rate + ", seed " + seed, run);
            }
            done += updates;
            progress.made(done, total, text(rate, seed));
            return new Cell(rate, seed, key, run);
        }

        /** Makes a run and writes its model, in the place of another's that it does better than. */
        private FineTuneRun train(double rate, long seed, String key, @Nullable Cell other) {
            try (LanguageModel model = checkpoint.model(architecture(), precision, device);
                    FineTuner tuner = new FineTuner(model, tokenizer, data, settings, seed)) {
                FineTuneRun run = tuner.run(rate, made -> progress.made(done + made, total, text(rate, seed)));
                if (run.usable()
                        && (other == null || run.validation() > other.run().validation())) {
                    models.write(key.substring(0, NAME_LENGTH), model, tokenizer, tuner.head());
                    if (other != null) {
                        models.delete(other.name());
                    }
                }
                return run;
            }
        }

        private FineTuneResult describe(TaskRun before, List<Cell> all, double chosen, Cell best) {
            Questions test = data.test();
            TaskResult zeroShot = test.result(List.of(before));
            return new FineTuneResult(
                    checkpoint.folder(),
                    data.task().name(),
                    settings.head().name().toLowerCase(Locale.ROOT),
                    zeroShot.formulation(),
                    part(data.train(), false),
                    part(data.validation(), data.heldOut()),
                    part(test, false),
                    zeroShot.main().name(),
                    zeroShot.chance(),
                    zeroShot.main(),
                    test.result(of(all, chosen).stream()
                                    .map(cell -> cell.run().test())
                                    .toList())
                            .main(),
                    chosen,
                    best.seed(),
                    settings.learningRates().stream()
                            .map(rate -> rate(rate, of(all, rate)))
                            .toList(),
                    all.stream().map(this::described).toList(),
                    settings,
                    models.folder(best.name()));
        }

        private FineTuneResult.Rate rate(double rate, List<Cell> cells) {
            double mean = validation(cells);
            double squares = cells.stream()
                    .mapToDouble(cell -> Math.pow(cell.run().validation() - mean, 2))
                    .sum();
            OptionalDouble test = cells.stream()
                    .filter(cell -> cell.run().usable())
                    .mapToDouble(this::figure)
                    .average();
            return new FineTuneResult.Rate(
                    rate,
                    mean,
                    cells.size() == 1 ? Double.NaN : Math.sqrt(squares / (cells.size() - 1)),
                    test.isPresent() ? test.getAsDouble() : null,
                    (int) cells.stream().filter(cell -> cell.run().diverged()).count());
        }

        private FineTuneResult.Run described(Cell cell) {
            FineTuneRun run = cell.run();
            return new FineTuneResult.Run(
                    cell.rate(),
                    cell.seed(),
                    run.epochs(),
                    run.bestEpoch(),
                    run.validation(),
                    run.usable() ? figure(cell) : null,
                    run.diverged(),
                    run.seconds());
        }

        private double figure(Cell cell) {
            return data.test().result(List.of(cell.run().test())).main().mean();
        }
    }

    private FineTuneResult.Part part(Questions questions, boolean heldOut) {
        return new FineTuneResult.Part(questions.split(), questions.file(), questions.count(), heldOut);
    }

    private static List<Cell> of(List<Cell> all, double rate) {
        return all.stream().filter(cell -> cell.rate() == rate).toList();
    }

    private static double validation(List<Cell> cells) {
        return cells.stream()
                .mapToDouble(cell -> cell.run().validation())
                .average()
                .orElse(0);
    }

    /** The best usable one on the validation questions, the first of several; null where none is usable. */
    private static @Nullable Cell best(List<Cell> cells) {
        Cell best = null;
        for (Cell cell : cells) {
            if (cell.run().usable()
                    && (best == null || cell.run().validation() > best.run().validation())) {
                best = cell;
            }
        }
        return best;
    }

    private static String text(double rate, long seed) {
        return "learning rate " + BigDecimal.valueOf(rate).stripTrailingZeros().toPlainString() + ", seed " + seed;
    }
}
