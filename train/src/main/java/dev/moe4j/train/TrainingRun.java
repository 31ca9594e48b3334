package dev.moe4j.train;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.model.checkpoint.CheckpointState;
import dev.moe4j.model.checkpoint.CheckpointStep;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.AmxTiles;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.hardware.AutoPrecision;
import dev.moe4j.tensor.hardware.MatmulPeak;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.checkpoint.CheckpointSaver;
import dev.moe4j.train.checkpoint.Checkpoints;
import dev.moe4j.train.checkpoint.ResumeCompatibility;
import dev.moe4j.train.checkpoint.TrainingState;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.Metrics;
import dev.moe4j.train.metrics.TensorBoard;
import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.optimizer.AdamW;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A training run, from prepared data to checkpoints. Its folder gets {@code config.yaml} (the resolved configuration),
 * {@code metrics.jsonl}, and checkpoints {@code step-NNNNNNNN/} as the {@code CheckpointPolicy} says. A run that was
 * stopped or killed resumes from its newest checkpoint with the same results as an uninterrupted run.
 */
public final class TrainingRun {

    private static final long NO_STEP = -1;

    /** The precisions that {@code auto} chooses from. */
    private static final List<Precision> PRECISIONS = List.of(Precision.FP32, Precision.BF16, Precision.FP16);

    private final RunConfig config;
    private final TrainingData data;
    private final Path folder;
    private final long steps;
    private final Device device;
    private ParallelContext parallel = ParallelContext.SINGLE;
    private final List<TrainingListener> listeners = new ArrayList<>();
    private BooleanSupplier stop = () -> false;
    private boolean resume;
    private Set<String> allowed = Set.of();

    /**
     * The result of a run.
     *
     * @param checkpoint the folder of the newest checkpoint
     * @param config the resolved configuration
     * @param steps finished steps
     * @param tokens tokens trained on since the run's first step
     * @param seconds seconds of training since the run's first step
     * @param loss the loss of the last step, in nats per token
     * @param best the best validation loss; null without evaluation
     * @param stopped whether the run ended early because a process was asked to stop
     */
    public record Outcome(
            Path checkpoint,
            RunConfig config,
            long steps,
            long tokens,
            double seconds,
            double loss,
            @Nullable BestEvaluation best,
            boolean stopped) {}

    /** Creates a run on one folder of prepared data; see the other constructor. */
    public TrainingRun(RunConfig config, Shards shards, Path folder, long steps, Device device) {
        this(config, TrainingData.of(shards), folder, steps, device);
    }

    /**
     * Creates a run. It starts with {@link #run}.
     *
     * @param folder the run's folder; it must not hold a run unless the run is {@linkplain #resume resumed}
     * @param steps the run's length
     * @throws TrainException if {@code steps} is below 1 or the configured vocabulary is smaller than the data's
     */
    public TrainingRun(RunConfig config, TrainingData data, Path folder, long steps, Device device) {
        if (steps < 1) {
            throw new TrainException("steps: " + steps + " is too small; use at least 1");
        }
        this.data = data;
        this.folder = folder;
        this.steps = steps;
        this.device = device;
        this.config = config.forVocabulary(data.tokenizer().vocabularySize());
    }

    /** Whether a folder holds a run, which can only be resumed. The folder need not exist. */
    public static boolean holdsRun(Path folder) {
        return RunFolder.begun(folder);
    }

    /** The error message for a folder that already holds a run. */
    public static String begunAlready(Path folder) {
        return folder + " already holds a run; resume it, choose another folder or remove it";
    }

    /**
     * Decides whether this process uses {@linkplain AmxTiles AMX tiles}. The decision is possible if the run's
     * precision is known before libtorch is loaded: from the configuration, or from the checkpoint to resume. {@link
     * #run} also decides it, but that is too late if the processes are already connected.
     */
    public static void settleTiles(RunConfig config, Path folder, boolean resume) {
        String precision = config.precision();
        if (precision.equals(RunConfig.AUTO) && resume && Files.isDirectory(folder)) {
            precision = CheckpointReader.newest(folder)
                    .map(CheckpointReader::state)
                    // A run that used tiles keeps using them.
                    .filter(state ->
                            !state.at("/machine/instruction_set").asString("").contains("AMX"))
                    .map(state -> state.at("/configuration/precision").asString(RunConfig.AUTO))
                    .orElse(RunConfig.AUTO);
        }
        if (!precision.equals(RunConfig.AUTO)) {
            AmxTiles.configure(Precision.parse(precision));
        }
    }

    /**
     * Sets the processes that share the run; each of them must run the same configuration. The first process writes all
     * files.
     */
    public TrainingRun on(ParallelContext processes) {
        parallel = processes;
        return this;
    }

    /** Adds a listener. Listeners receive each event in the order in which they were added, after the run's metrics. */
    public TrainingRun listen(TrainingListener listener) {
        listeners.add(listener);
        return this;
    }

    private void notice(String message) {
        listeners.forEach(listener -> listener.onNotice(message));
    }

    /**
     * Sets a condition that is tested before every step. If it holds in any process, the run writes a checkpoint and
     * ends.
     */
    public TrainingRun stopWhen(BooleanSupplier value) {
        stop = value;
        return this;
    }

    /**
     * Resumes from the folder's newest checkpoint, or starts a new run if there is none.
     *
     * @param changes configuration keys that may differ from the checkpoint; any other difference that affects results
     *     is an error
     */
    public TrainingRun resume(Set<String> changes) {
        resume = true;
        allowed = Set.copyOf(changes);
        return this;
    }

    /**
     * Trains until the last step, until validation stops improving, or until asked to stop, and writes checkpoints.
     *
     * @throws TrainException if the folder already holds a run, the checkpoint does not fit the configuration, or the
     *     loss is not finite
     * @throws dev.moe4j.text.DataException if the data has too little text
     */
    public Outcome run() {
        settleTiles(config, folder, resume);
        // Unsuitable data is refused before anything is written.
        TrainingSequences sequences = config.sequences(data);
        if (!parallel.leads()) {
            return run(null, sequences);
        }
        try (RunFolder run = RunFolder.lock(folder)) {
            if (!resume && holdsRun(folder)) {
                throw new TrainException(begunAlready(folder));
            }
            return run(run, sequences);
        }
    }

    /** @param run null in all processes but the first, which writes the files */
    private Outcome run(@Nullable RunFolder run, TrainingSequences sequences) {
        List<CheckpointStep> checkpoints = run == null ? List.of() : run.checkpoints();
        double newest = checkpoints.isEmpty() ? NO_STEP : checkpoints.getFirst().step();
        long step = (long) parallel.everyone().fromFirst(new double[] {newest}, "newest checkpoint")[0];
        if (step == NO_STEP) {
            return start(run, sequences);
        }
        return resume(run, new CheckpointStep(step, CheckpointStep.folder(folder, step)), sequences);
    }

    private Outcome start(@Nullable RunFolder run, TrainingSequences sequences) {
        RunConfig resolved = withPrecision();
        RandomKey initialization = new RandomKey(resolved.seed()).fold("initialization");
        try (LanguageModel model = LanguageModel.initialize(
                resolved.architecture(),
                Precision.parse(resolved.precision()),
                device,
                parallel,
                resolved.parallel().expertGradients(),
                initialization)) {
            return train(run, resolved, model, sequences, null);
        }
    }

    private Outcome resume(@Nullable RunFolder run, CheckpointStep checkpoint, TrainingSequences sequences) {
        Restored restored;
        // Closed before training, because training deletes old checkpoints.
        try (CheckpointReader reader = CheckpointReader.open(checkpoint.folder())) {
            restored = restore(reader);
        }
        try (LanguageModel model = restored.model()) {
            notice("resuming %s after step %,d of %,d"
                    .formatted(folder, restored.state().position().step(), steps));
            return train(run, restored.config(), model, sequences, new Origin(checkpoint, restored.state()));
        }
    }

    /** The contents of a checkpoint. The caller closes the model. */
    private record Restored(RunConfig config, TrainingState state, LanguageModel model) {}

    private Restored restore(CheckpointReader reader) {
        TrainingState state = TrainingState.of(reader.state(), reader.folder());
        long done = state.position().step();
        if (steps < done) {
            throw new TrainException(
                    "%s already has %,d steps, more than the %,d of the resumed run; ask for at least %d"
                            .formatted(folder, done, steps, done));
        }
        RunConfig before = RunConfig.ofJson(state.run().configuration(), reader.folder() + "/" + CheckpointState.FILE);
        // Keep the precision that the run started with, even if the device has changed.
        RunConfig resolved = config.precision().equals(RunConfig.AUTO)
                ? config.withPrecision(Precision.parse(before.precision()))
                : config;
        ResumeCompatibility.refuse(state.run(), before, inputs(resolved), allowed, parallel.leads());
        requireTokenizer(reader);
        LanguageModel model = reader.model(
                resolved.architecture(),
                Precision.parse(resolved.precision()),
                device,
                parallel,
                resolved.parallel().expertGradients());
        try {
            reader.readStates(model.parameters(), AdamW.MOMENTS);
            NonFiniteFinder.refuse(model, reader.folder());
            return new Restored(resolved, state, model);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** Other data may be allowed, but not another tokenizer: the model has learned this tokenizer's ids. */
    private void requireTokenizer(CheckpointReader reader) {
        TokenizerSpec learned = reader.tokenizer();
        Tokenizer given = data.tokenizer();
        if (learned != null && !learned.sha256().equals(given.hash())) {
            throw new TrainException(reader.folder() + " was trained with the tokenizer "
                    + learned.name() + ", but the data was prepared with " + given.spec()
                    + "; prepare the data again with the run's tokenizer");
        }
    }

    /** The configuration with its precision resolved: {@code auto} depends on the device. */
    private RunConfig withPrecision() {
        if (!config.precision().equals(RunConfig.AUTO)) {
            return config;
        }
        AutoPrecision auto = AutoPrecision.of(device);
        if (parallel.leads()) {
            notice("precision %s, since %s; set precision=NAME to use another"
                    .formatted(auto.precision().name(), auto.reason()));
        }
        // Machines may differ, so the first process's device decides.
        double[] chosen = {PRECISIONS.indexOf(auto.precision())};
        return config.withPrecision(PRECISIONS.get((int) parallel.everyone().fromFirst(chosen, "precision")[0]));
    }

    private TrainingState.RunInputs inputs(RunConfig resolved) {
        return TrainingState.RunInputs.of(resolved, data.sha256(), steps, parallel.layout());
    }

    /** The checkpoint that a run resumes from. */
    private record Origin(CheckpointStep checkpoint, TrainingState state) {}

    private Outcome train(
            @Nullable RunFolder run,
            RunConfig resolved,
            LanguageModel model,
            TrainingSequences sequences,
            @Nullable Origin origin) {
        notice("training on %s in %s, %d threads for each operation on the CPU"
                .formatted(device, resolved.precision(), Libtorch.threads()));
        Trainer trainer = new Trainer(
                        model,
                        resolved.batch(),
                        resolved.optimizer(),
                        resolved.schedule(),
                        Trainer.SequenceSource.of(sequences),
                        resolved.seed(),
                        steps)
                .documents(resolved.data())
                .skipSpikes(resolved.watch())
                .scaleLoss(resolved.lossScale());
        model.recompute(resolved.recompute());
        try (Validation validation = Validation.open(resolved.evaluation(), data)) {
            TrainingState.Position position = origin == null
                    ? TrainingState.Position.START
                    : origin.state().position();
            if (origin != null) {
                trainer.restore(position.trainer());
                validation.restore(position.metrics().best());
            }
            TrainingState state = new TrainingState(inputs(resolved), position);
            if (run == null) {
                return loop(
                        trainer,
                        resolved,
                        state,
                        validation,
                        new Listeners(listeners),
                        new Checkpoints.NonWriting(folder),
                        origin);
            }
            if (position.step() < steps && !validation.exhausted()) {
                // A finished run keeps the configuration it was trained with.
                run.writeConfig(ConfigWriter.toYaml(resolved));
            }
            try (Metrics metrics = Metrics.open(run, position.step());
                    TensorBoard board = TensorBoard.open(run.path(), position.step())) {
                Listeners all = new Listeners(Stream.concat(Stream.of(metrics, board), listeners.stream())
                        .toList());
                try (CheckpointSaver saver =
                        new CheckpointSaver(run, data.tokenizer(), resolved.checkpoint(), metrics, all)) {
                    return loop(trainer, resolved, state, validation, all, saver, origin);
                }
            }
        }
    }

    private Outcome loop(
            Trainer trainer,
            RunConfig resolved,
            TrainingState state,
            Validation validation,
            TrainingListener listener,
            Checkpoints saver,
            @Nullable Origin origin) {
        if (origin != null) {
            saver.resumedFrom(origin.checkpoint());
        }
        return new TrainingLoop(trainer, resolved, state, validation, listener, saver, peak(trainer.model())).run(stop);
    }

    /** Tokens per second of all processes if training consisted of matrix products at peak speed only. */
    private double peak(LanguageModel model) {
        if (!parallel.leads()) {
            return Double.POSITIVE_INFINITY; // only the first process reports utilization
        }
        return parallel.layout().world()
                * MatmulPeak.measure(model.parameters().precision().compute(), device)
                / Cost.of(model.architecture()).trainingFlopsPerToken();
    }
}
