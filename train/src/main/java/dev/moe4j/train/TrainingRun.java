package dev.moe4j.train;

import dev.moe4j.data.Shards;
import dev.moe4j.data.TrainingData;
import dev.moe4j.data.TrainingSequences;
import dev.moe4j.model.CheckpointReader;
import dev.moe4j.model.CheckpointState;
import dev.moe4j.model.CheckpointStep;
import dev.moe4j.model.ConfigWriter;
import dev.moe4j.model.Cost;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.MatmulPeak;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A run from prepared text to checkpoints. Its folder gets {@code config.yaml}, the resolved configuration, {@code
 * metrics.jsonl}, and {@code step-NNNNNNNN/} as {@link CheckpointPolicy} has it. A run that was ended or killed goes on
 * from its newest checkpoint as if nothing had happened.
 */
public final class TrainingRun {

    private final RunConfig config;
    private final TrainingData data;
    private final Path folder;
    private final long steps;
    private final Device device;
    private Consumer<Progress> listener = _ -> {};
    private Consumer<String> notices = _ -> {};
    private BooleanSupplier stop = () -> false;
    private boolean resume;
    private Set<String> allowed = Set.of();

    /**
     * One step as a progress line shows it.
     *
     * @param steps of the whole run
     * @param tokensPerSecond over the steps since the last report
     * @param utilization useful floating-point operations over the matmul peak of this process
     * @param evaluation nats per token on each validation set; empty where this step was not evaluated
     */
    public record Progress(
            Trainer.Result result,
            long steps,
            double tokensPerSecond,
            double utilization,
            SequencedMap<String, Double> evaluation) {}

    /**
     * What a run leaves.
     *
     * @param checkpoint the newest
     * @param tokens trained on, from the run's first step on
     * @param seconds of training, likewise
     * @param loss of the last step, nats per token
     * @param best validation loss; null where none was asked for
     */
    public record Outcome(
            Path checkpoint,
            RunConfig config,
            long steps,
            long tokens,
            double seconds,
            double loss,
            @Nullable BestEvaluation best) {}

    /** A run on one folder of text. */
    public TrainingRun(
            RunConfig config, List<String> overrides, Shards shards, Path folder, long steps, Device device) {
        this(config, overrides, TrainingData.of(shards), folder, steps, device);
    }

    /**
     * @param folder where the run goes; unless it is resumed it must not hold a run yet
     * @param overrides what the user set beyond a preset or file, for keys whose default follows the data
     */
    public TrainingRun(
            RunConfig config, List<String> overrides, TrainingData data, Path folder, long steps, Device device) {
        if (steps < 1) {
            throw new TrainException("steps: " + steps + " is too small; use at least 1");
        }
        this.data = data;
        this.folder = folder;
        this.steps = steps;
        this.device = device;
        this.config = config.forVocabulary(data.tokenizer().vocabularySize(), RunConfig.vocabularyIn(overrides));
    }

    /** Hears of every step from now on. */
    public TrainingRun onStep(Consumer<Progress> value) {
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
        // Data that does not fit is refused before anything is written.
        TrainingSequences sequences = data.sequences(
                config.data().sequences(),
                config.model().context(),
                config.data().weights(),
                config.seed());
        try (RunFolder run = RunFolder.lock(folder)) {
            if (!resume && run.begun()) {
                throw new TrainException(folder
                        + " already holds a run; add --resume to go on with it, give another --out or remove it");
            }
            List<CheckpointStep> checkpoints = run.checkpoints();
            if (checkpoints.isEmpty()) {
                return begin(run, sequences);
            }
            try (CheckpointReader reader =
                    CheckpointReader.open(checkpoints.getFirst().folder())) {
                return goOn(run, reader, checkpoints.getFirst(), sequences);
            }
        }
    }

    private Outcome begin(RunFolder run, TrainingSequences sequences) {
        RunConfig resolved = withPrecision();
        RandomKey initialization = new RandomKey(resolved.seed()).fold("initialization");
        try (LanguageModel model = LanguageModel.initialize(
                resolved.architecture(), Precision.parse(resolved.precision()), device, initialization)) {
            return train(run, resolved, model, sequences, null);
        }
    }

    private Outcome goOn(
            RunFolder run, CheckpointReader reader, CheckpointStep checkpoint, TrainingSequences sequences) {
        TrainingState state = TrainingState.of(reader.state(), reader.folder());
        RunConfig before = RunConfig.ofJson(state.run().configuration(), reader.folder() + "/" + CheckpointState.FILE);
        // What was measured then decides now: the machine may be busier.
        RunConfig resolved = config.precision().equals(RunConfig.AUTO)
                ? config.withPrecision(Precision.parse(before.precision()))
                : config;
        Changes.refuse(state.run(), before, TrainingState.Circumstances.of(resolved, data.sha256(), steps), allowed);
        try (LanguageModel model =
                reader.model(resolved.architecture(), Precision.parse(resolved.precision()), device)) {
            reader.readStates(model.parameters(), AdamW.MOMENTS);
            NotFinite.refuse(model, reader.folder());
            notices.accept("resuming %s after step %,d of %,d"
                    .formatted(folder, state.position().step(), steps));
            return train(run, resolved, model, sequences, new Origin(checkpoint, state));
        }
    }

    /** The configuration with a precision, which is measured and said where the user gave none. */
    private RunConfig withPrecision() {
        if (!config.precision().equals(RunConfig.AUTO)) {
            return config;
        }
        MatmulPeak.Comparison peaks = MatmulPeak.compare(device);
        String name = peaks.fastest().name();
        notices.accept("precision %s, the fastest here: %s; --set precision=NAME takes another".formatted(name, peaks));
        return config.withPrecision(peaks.fastest());
    }

    /** A checkpoint that a run goes on from. */
    private record Origin(CheckpointStep checkpoint, TrainingState state) {}

    private Outcome train(
            RunFolder run,
            RunConfig resolved,
            LanguageModel model,
            TrainingSequences sequences,
            @Nullable Origin origin) {
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
            run.writeConfig(ConfigWriter.toYaml(resolved));
            TrainingState.Position position = origin == null
                    ? TrainingState.Position.START
                    : origin.state().position();
            try (Metrics metrics = Metrics.open(run, position.step());
                    CheckpointSaver saver =
                            new CheckpointSaver(run, data.tokenizer(), resolved.checkpoint(), metrics, notices)) {
                if (origin != null) {
                    trainer.restore(position.trainer());
                    validation.restore(position.metrics().best());
                    saver.resumedFrom(origin.checkpoint());
                }
                TrainingState state =
                        new TrainingState(TrainingState.Circumstances.of(resolved, data.sha256(), steps), position);
                return new TrainingLoop(trainer, resolved, state, validation, metrics, saver, peak(model))
                        .run(listener, notices, stop);
            }
        }
    }

    /** Tokens per second if training were nothing but matrix products at their peak. */
    private double peak(LanguageModel model) {
        return MatmulPeak.measure(model.parameters().precision().compute(), device)
                / Cost.of(model.architecture()).trainingFlopsPerToken();
    }
}
