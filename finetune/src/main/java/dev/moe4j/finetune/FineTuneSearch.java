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
 * Fine-tunes a checkpoint on a task with every combination of learning rate and seed, and scores it before and after.
 *
 * <p>A run's key is a hash of everything that it depends on. Finished runs are cached under their keys in {@code
 * runs.jsonl} in the output folder. An interrupted search resumes from there, and a wider search reuses the cached runs.
 * For each learning rate the folder keeps the best seed's model, named by its run's key.
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

    /** Receives the progress of a search. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Called after each update.
         *
         * @param updates updates done; the full number for each run that is cached or ended early
         * @param total updates of all runs
         * @param text the current run, for display
         */
        void made(long updates, long total, String text);
    }

    /**
     * @param checkpoint the checkpoint to fine-tune; the caller closes it
     * @param tokenizer the checkpoint's tokenizer
     * @param precision precision of training and evaluation; fp16 is not supported
     * @param device device to train on
     * @param data training, validation and test questions
     * @param settings hyperparameters and the grid
     * @throws FineTuneException if the grid is empty, or if head, task, precision and model do not fit together
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
        if (data.task().isGenerative() && settings.head() != FineTuneSettings.Head.ANSWER) {
            throw new FineTuneException("the task " + data.task()
                    + " has no candidates to choose from: its answer is generated; use --head answer");
        }
    }

    /**
     * Runs the search, except for cached runs.
     *
     * @param out folder for {@code runs.jsonl} and the models; created if missing
     * @param progress receives the progress
     * @throws FineTuneException if each learning rate diverged with at least one seed
     */
    public FineTuneResult run(Path out, Progress progress) {
        try (ModelFolders models = ModelFolders.lock(out)) {
            return new Search(models, ResultCache.open(out.resolve(RUNS), FineTuneRun.class), progress).search();
        }
    }

    private Architecture architecture() {
        Architecture own = checkpoint.architecture();
        return new Architecture(
                own.model().withDropout(settings.dropout()),
                own.ungrouped().routing(),
                settings.balance() ? own.balance() : own.balance().off());
    }

    /** One run with its learning rate, seed and cache key. */
    private record GridRun(double rate, long seed, String key, FineTuneRun outcome) {
        String name() {
            return key.substring(0, NAME_LENGTH);
        }
    }

    /** State of one call of {@link #run}. */
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

        FineTuneResult search() {
            TaskRun before = zeroShot();
            List<GridRun> all = new ArrayList<>();
            for (double rate : settings.learningRates()) {
                List<GridRun> runs = new ArrayList<>();
                for (long seed : settings.seeds()) {
                    runs.add(findOrTrain(rate, seed, best(runs)));
                }
                all.addAll(runs);
            }
            double chosen = settings.learningRates().stream()
                    .filter(rate -> withRate(all, rate).stream()
                            .allMatch(run -> run.outcome().usable()))
                    .max(Comparator.<Double>comparingDouble(rate -> validation(withRate(all, rate)))
                            .thenComparing(Comparator.reverseOrder()))
                    .orElseThrow(() -> new FineTuneException("every learning rate of " + settings.learningRates()
                            + " diverged with some seed; give smaller ones"));
            GridRun best = best(withRate(all, chosen));
            if (best == null) {
                throw new FineTuneException("no run is usable; give smaller learning rates");
            }
            if (!models.has(best.name())) {
                train(best.rate(), best.seed(), best.key(), null); // the model's folder was deleted after the run
            }
            return result(before, all, chosen, best);
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

        private GridRun findOrTrain(double rate, long seed, @Nullable GridRun bestSoFar) {
            String key = ResultCache.key(identity, settings.identity(), Double.toString(rate), Long.toString(seed));
            FineTuneRun run = finished.find(key).orElse(null);
            if (run == null) {
                run = train(rate, seed, key, bestSoFar);
                finished.add(key, data.task() + ", learning rate " + rate + ", seed " + seed, run);
            }
            done += updates;
            progress.made(done, total, label(rate, seed));
            return new GridRun(rate, seed, key, run);
        }

        /**
         * Trains one run. If it beats the best run with this learning rate so far, its model replaces that run's model.
         *
         * @param bestSoFar the best run so far; null if there is none
         */
        private FineTuneRun train(double rate, long seed, String key, @Nullable GridRun bestSoFar) {
            try (LanguageModel model = checkpoint.model(architecture(), precision, device);
                    FineTuner tuner = new FineTuner(model, tokenizer, data, settings, seed)) {
                FineTuneRun run = tuner.run(rate, made -> progress.made(done + made, total, label(rate, seed)));
                if (run.usable()
                        && (bestSoFar == null
                                || run.validation() > bestSoFar.outcome().validation())) {
                    models.write(key.substring(0, NAME_LENGTH), model, tokenizer, tuner.head());
                    if (bestSoFar != null) {
                        models.delete(bestSoFar.name());
                    }
                }
                return run;
            }
        }

        private FineTuneResult result(TaskRun before, List<GridRun> all, double chosen, GridRun best) {
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
                    test.result(withRate(all, chosen).stream()
                                    .map(run -> run.outcome().test())
                                    .toList())
                            .main(),
                    chosen,
                    best.seed(),
                    settings.learningRates().stream()
                            .map(rate -> rate(rate, withRate(all, rate)))
                            .toList(),
                    all.stream().map(this::summary).toList(),
                    settings,
                    models.folder(best.name()));
        }

        private FineTuneResult.Rate rate(double rate, List<GridRun> runs) {
            double mean = validation(runs);
            double squares = runs.stream()
                    .mapToDouble(run -> Math.pow(run.outcome().validation() - mean, 2))
                    .sum();
            OptionalDouble test = runs.stream()
                    .filter(run -> run.outcome().usable())
                    .mapToDouble(this::testFigure)
                    .average();
            return new FineTuneResult.Rate(
                    rate,
                    mean,
                    runs.size() == 1 ? Double.NaN : Math.sqrt(squares / (runs.size() - 1)),
                    test.isPresent() ? test.getAsDouble() : null,
                    (int) runs.stream().filter(run -> run.outcome().diverged()).count());
        }

        private FineTuneResult.Run summary(GridRun run) {
            FineTuneRun outcome = run.outcome();
            return new FineTuneResult.Run(
                    run.rate(),
                    run.seed(),
                    outcome.epochs(),
                    outcome.bestEpoch(),
                    outcome.validation(),
                    outcome.usable() ? testFigure(run) : null,
                    outcome.diverged(),
                    outcome.seconds());
        }

        private double testFigure(GridRun run) {
            return data.test().result(List.of(run.outcome().test())).main().mean();
        }
    }

    private FineTuneResult.Part part(Questions questions, boolean heldOut) {
        return new FineTuneResult.Part(questions.split(), questions.file(), questions.count(), heldOut);
    }

    private static List<GridRun> withRate(List<GridRun> all, double rate) {
        return all.stream().filter(run -> run.rate() == rate).toList();
    }

    private static double validation(List<GridRun> runs) {
        return runs.stream()
                .mapToDouble(run -> run.outcome().validation())
                .average()
                .orElse(0);
    }

    /** The first usable run with the best validation figure; null if no run is usable. */
    private static @Nullable GridRun best(List<GridRun> runs) {
        GridRun best = null;
        for (GridRun run : runs) {
            if (run.outcome().usable()
                    && (best == null
                            || run.outcome().validation() > best.outcome().validation())) {
                best = run;
            }
        }
        return best;
    }

    private static String label(double rate, long seed) {
        return "learning rate " + BigDecimal.valueOf(rate).stripTrailingZeros().toPlainString() + ", seed " + seed;
    }
}
