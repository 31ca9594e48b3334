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
import dev.moe4j.train.metrics.TrainingProgress;
import dev.moe4j.train.optimizer.AdamW;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A run from prepared text to checkpoints. Its folder gets {@code config.yaml}, the resolved configuration, {@code
 * metrics.jsonl}, and {@code step-NNNNNNNN/} as {@code CheckpointPolicy} has it. A run that was ended or killed goes on
 * from its newest checkpoint as if nothing had happened.
 */
public final class TrainingRun {

    private static final long NO_STEP = -1;

    /** Those that {@code auto} chooses from. */
    private static final List<Precision> PRECISIONS = List.of(Precision.FP32, Precision.BF16, Precision.FP16);

    private final RunConfig config;
    private final TrainingData data;
    private final Path folder;
    private final long steps;
    private final Device device;
    private ParallelContext fabric = ParallelContext.SINGLE;
    private Consumer<TrainingProgress> listener = _ -> {};
    private Consumer<String> notices = _ -> {};
    private BooleanSupplier stop = () -> false;
    private boolean resume;
    private Set<String> allowed = Set.of();

    /**
     * What a run leaves.
     *
     * @param checkpoint the newest
     * @param tokens trained on, from the run's first step on
     * @param seconds of training, likewise
     * @param loss of the last step, nats per token
     * @param best validation loss; null where none was asked for
     * @param stopped whether it ended early because a process was asked to stop
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

    /** A run on one folder of text. */
    public TrainingRun(RunConfig config, Shards shards, Path folder, long steps, Device device) {
        this(config, TrainingData.of(shards), folder, steps, device);
    }

    /**
     * @param folder where the run goes; unless it is resumed it must not hold a run yet
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

    /** Whether that folder, which need not be there, holds a run that can only be resumed. */
    public static boolean begun(Path folder) {
        return RunFolder.begun(folder);
    }

    /** What to tell whoever did not ask to resume it. */
    public static String begunAlready(Path folder) {
        return folder + " already holds a run; add --resume to go on with it, give another --out or remove it";
    }

    /**
     * Settles whether this process uses {@linkplain AmxTiles tiles}, where a run's precision is known before libtorch is
     * loaded: given, or that of the checkpoint that it goes on from. {@link #run} does it as well, which is too late
     * where processes have met before.
     */
    public static void settleTiles(RunConfig config, Path folder, boolean resume) {
        String precision = config.precision();
        if (precision.equals(RunConfig.AUTO) && resume && Files.isDirectory(folder)) {
            precision = CheckpointReader.newest(folder)
                    .map(CheckpointReader::state)
                    // A run that had tiles goes on with tiles.
                    .filter(state ->
                            !state.at("/machine/instruction_set").asString("").contains("AMX"))
                    .map(state -> state.at("/configuration/precision").asString(RunConfig.AUTO))
                    .orElse(RunConfig.AUTO);
        }
        if (!precision.equals(RunConfig.AUTO)) {
            AmxTiles.settle(Precision.parse(precision));
        }
    }

    /** Makes this process one of several, all of which run the same. The first one writes what there is to write. */
    public TrainingRun on(ParallelContext processes) {
        fabric = processes;
        return this;
    }

    /** Hears of every step from now on. */
    public TrainingRun onStep(Consumer<TrainingProgress> value) {
        listener = value;
        return this;
    }

    /** Hears of what a user should know and no figure says: warnings, what was resumed. */
    public TrainingRun onNotice(Consumer<String> value) {
        notices = value;
        return this;
    }

    /** Asked before every step; where true, the run ends with a checkpoint. */
    public TrainingRun stopWhen(BooleanSupplier value) {
        stop = value;
        return this;
    }

    /**
     * Goes on from the folder's newest checkpoint, or begins afresh where there is none.
     *
     * @param changes keys that may have changed since; all others that matter may not
     */
    public TrainingRun resume(Set<String> changes) {
        resume = true;
        allowed = Set.copyOf(changes);
        return this;
    }

    /** Trains and writes checkpoints. */
    public Outcome run() {
        settleTiles(config, folder, resume);
        // Data that does not fit is refused before anything is written.
        TrainingSequences sequences = config.sequences(data);
        if (!fabric.leads()) {
            return run(null, sequences);
        }
        try (RunFolder run = RunFolder.lock(folder)) {
            if (!resume && begun(folder)) {
                throw new TrainException(begunAlready(folder));
            }
            return run(run, sequences);
        }
    }

    /**
     * @param run null in processes that leave writing to the first
     */
    private Outcome run(@Nullable RunFolder run, TrainingSequences sequences) {
        List<CheckpointStep> checkpoints = run == null ? List.of() : run.checkpoints();
        double newest = checkpoints.isEmpty() ? NO_STEP : checkpoints.getFirst().step();
        long step = (long) fabric.everyone().fromFirst(new double[] {newest}, "newest checkpoint")[0];
        if (step == NO_STEP) {
            return begin(run, sequences);
        }
        return goOn(run, new CheckpointStep(step, CheckpointStep.folder(folder, step)), sequences);
    }

    private Outcome begin(@Nullable RunFolder run, TrainingSequences sequences) {
        RunConfig resolved = withPrecision();
        RandomKey initialization = new RandomKey(resolved.seed()).fold("initialization");
        try (LanguageModel model = LanguageModel.initialize(
                resolved.architecture(),
                Precision.parse(resolved.precision()),
                device,
                fabric,
                resolved.parallel().expertGradients(),
                initialization)) {
            return train(run, resolved, model, sequences, null);
        }
    }

    private Outcome goOn(@Nullable RunFolder run, CheckpointStep checkpoint, TrainingSequences sequences) {
        Restored restored;
        // Closed before training, in the course of which the checkpoint is deleted.
        try (CheckpointReader reader = CheckpointReader.open(checkpoint.folder())) {
            restored = restore(reader);
        }
        try (LanguageModel model = restored.model()) {
            notices.accept("resuming %s after step %,d of %,d"
                    .formatted(folder, restored.state().position().step(), steps));
            return train(run, restored.config(), model, sequences, new Origin(checkpoint, restored.state()));
        }
    }

    /** What a checkpoint gives to go on with; whoever has it closes the model. */
    private record Restored(RunConfig config, TrainingState state, LanguageModel model) {}

    private Restored restore(CheckpointReader reader) {
        TrainingState state = TrainingState.of(reader.state(), reader.folder());
        long made = state.position().step();
        if (steps < made) {
            throw new TrainException(
                    "--resume: %s has made %,d steps already, and --steps asks for %,d; use at least %d"
                            .formatted(folder, made, steps, made));
        }
        RunConfig before = RunConfig.ofJson(state.run().configuration(), reader.folder() + "/" + CheckpointState.FILE);
        // The precision that the run began with, which may be on another device now.
        RunConfig resolved = config.precision().equals(RunConfig.AUTO)
                ? config.withPrecision(Precision.parse(before.precision()))
                : config;
        ResumeCompatibility.refuse(state.run(), before, circumstances(resolved), allowed, fabric.leads());
        requireTokenizer(reader);
        LanguageModel model = reader.model(
                resolved.architecture(),
                Precision.parse(resolved.precision()),
                device,
                fabric,
                resolved.parallel().expertGradients());
        try {
            reader.readStates(model.parameters(), AdamW.MOMENTS);
            NotFinite.refuse(model, reader.folder());
            return new Restored(resolved, state, model);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** Other data may be allowed, but not other text for the ids that the model has learned. */
    private void requireTokenizer(CheckpointReader reader) {
        TokenizerSpec learned = reader.tokenizer();
        Tokenizer given = data.tokenizer();
        if (learned != null && !learned.sha256().equals(given.hash())) {
            throw new TrainException("--resume: " + reader.folder() + " was trained with the tokenizer "
                    + learned.name() + " and the data was made with another, " + given.spec()
                    + "; prepare the data again with the run's");
        }
    }

    /** The configuration with a precision, which follows from the device where the user gave none. */
    private RunConfig withPrecision() {
        if (!config.precision().equals(RunConfig.AUTO)) {
            return config;
        }
        AutoPrecision auto = AutoPrecision.of(device);
        if (fabric.leads()) {
            notices.accept("precision %s, since %s; --set precision=NAME takes another"
                    .formatted(auto.precision().name(), auto.reason()));
        }
        // Processes may be on unlike machines: the first one's device decides.
        double[] chosen = {PRECISIONS.indexOf(auto.precision())};
        return config.withPrecision(PRECISIONS.get((int) fabric.everyone().fromFirst(chosen, "precision")[0]));
    }

    private TrainingState.Circumstances circumstances(RunConfig resolved) {
        return TrainingState.Circumstances.of(resolved, data.sha256(), steps, fabric.layout());
    }

    /** A checkpoint that a run goes on from. */
    private record Origin(CheckpointStep checkpoint, TrainingState state) {}

    private Outcome train(
            @Nullable RunFolder run,
            RunConfig resolved,
            LanguageModel model,
            TrainingSequences sequences,
            @Nullable Origin origin) {
        notices.accept("training on %s in %s, %d threads for each operation on the CPU"
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
            TrainingState state = new TrainingState(circumstances(resolved), position);
            if (run == null) {
                return loop(trainer, resolved, state, validation, null, new Checkpoints.Following(folder), origin);
            }
            if (position.step() < steps && !validation.exhausted()) {
                // A run that has ended keeps the configuration that it trained with.
                run.writeConfig(ConfigWriter.toYaml(resolved));
            }
            try (Metrics metrics = Metrics.open(run, position.step());
                    CheckpointSaver saver =
                            new CheckpointSaver(run, data.tokenizer(), resolved.checkpoint(), metrics, notices)) {
                return loop(trainer, resolved, state, validation, metrics, saver, origin);
            }
        }
    }

    private Outcome loop(
            Trainer trainer,
            RunConfig resolved,
            TrainingState state,
            Validation validation,
            @Nullable Metrics metrics,
            Checkpoints saver,
            @Nullable Origin origin) {
        if (origin != null) {
            saver.resumedFrom(origin.checkpoint());
        }
        return new TrainingLoop(trainer, resolved, state, validation, metrics, saver, peak(trainer.model()))
                .run(listener, notices, stop);
    }

    /** Tokens per second if training, in all processes, were nothing but matrix products at their peak. */
    private double peak(LanguageModel model) {
        if (!fabric.leads()) {
            return Double.POSITIVE_INFINITY; // nobody asks
        }
        return fabric.layout().world()
                * MatmulPeak.measure(model.parameters().precision().compute(), device)
                / Cost.of(model.architecture()).trainingFlopsPerToken();
    }
}
