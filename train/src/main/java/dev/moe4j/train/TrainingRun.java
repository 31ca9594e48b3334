package dev.moe4j.train;

import dev.moe4j.data.SequenceSampler;
import dev.moe4j.data.Shards;
import dev.moe4j.model.ConfigWriter;
import dev.moe4j.model.Cost;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.MatmulPeak;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * A run from prepared text to a checkpoint. Its folder gets {@code config.yaml}, the resolved configuration, {@code
 * metrics.jsonl} and, at the end, {@code step-NNNNNNNN/}.
 */
public final class TrainingRun {

    private final RunConfig config;
    private final Shards shards;
    private final Path folder;
    private final long steps;
    private final Device device;
    private Consumer<Progress> listener = _ -> {};
    private BooleanSupplier stop = () -> false;

    /**
     * One step as a progress line shows it.
     *
     * @param steps of the whole run
     * @param tokensPerSecond over the steps since the last report
     * @param utilization useful floating-point operations over the matmul peak of this process
     */
    public record Progress(Trainer.Result result, long steps, double tokensPerSecond, double utilization) {}

    /**
     * What a run leaves.
     *
     * @param tokens trained on
     * @param seconds of training
     */
    public record Outcome(Path checkpoint, RunConfig config, long steps, long tokens, double seconds, double loss) {}

    /**
     * @param folder where the run goes; it must not hold a run yet
     * @param overrides what the user set beyond a preset or file, for keys whose default follows the data
     */
    public TrainingRun(
            RunConfig config, List<String> overrides, Shards shards, Path folder, long steps, Device device) {
        if (steps < 1) {
            throw new TrainException("steps: " + steps + " is too small; use at least 1");
        }
        this.shards = shards;
        this.folder = folder;
        this.steps = steps;
        this.device = device;
        RunConfig sized = config.forVocabulary(shards.tokenizer().vocabularySize(), RunConfig.vocabularyIn(overrides));
        this.config = sized.withPrecision(sized.resolvePrecision(device));
    }

    /** Hears of every step from now on. */
    public TrainingRun onStep(Consumer<Progress> value) {
        listener = value;
        return this;
    }

    /** Asked before every step; where true, the run ends with a checkpoint. */
    public TrainingRun stopWhen(BooleanSupplier value) {
        stop = value;
        return this;
    }

    public RunConfig config() {
        return config;
    }

    /** Trains and writes the checkpoint. */
    public Outcome run() {
        Precision precision = Precision.parse(config.precision());
        SequenceSampler sampler =
                new SequenceSampler(shards.train(), config.model().context(), config.seed());
        createFolder();
        RandomKey initialization = new RandomKey(config.seed()).fold("initialization");
        try (LanguageModel model = LanguageModel.initialize(config.architecture(), precision, device, initialization);
                Metrics metrics = Metrics.create(folder.resolve("metrics.jsonl"))) {
            Trainer trainer = new Trainer(
                    model,
                    config.batch(),
                    config.optimizer(),
                    config.schedule(),
                    sampler::sequence,
                    config.seed(),
                    steps);
            return train(trainer, metrics);
        }
    }

    private Outcome train(Trainer trainer, Metrics metrics) {
        double flops = Cost.of(trainer.model().architecture()).trainingFlopsPerToken();
        double peak =
                MatmulPeak.measure(trainer.model().parameters().precision().compute(), device);
        long begin = System.nanoTime();
        long reported = begin;
        long tokensSince = 0;
        long tokens = 0;
        double loss = Double.NaN;
        while (trainer.updatesDone() < steps && !stop.getAsBoolean()) {
            Trainer.Result result = trainer.step();
            tokens += result.tokens();
            tokensSince += result.tokens();
            loss = result.loss();
            long now = System.nanoTime();
            double rate = tokensSince * 1e9 / (now - reported);
            Progress progress = new Progress(result, steps, rate, rate * flops / peak);
            listener.accept(progress);
            if (result.update() % config.log().every() == 0 || result.update() == steps) {
                metrics.write(progress, tokens, (now - begin) / 1e9);
                reported = now;
                tokensSince = 0;
            }
        }
        double seconds = (System.nanoTime() - begin) / 1e9;
        Path checkpoint = new CheckpointWriter(config, shards.manifest())
                .write(folder, trainer.model(), new CheckpointWriter.Position(trainer.updatesDone(), tokens, loss));
        return new Outcome(checkpoint, config, trainer.updatesDone(), tokens, seconds, loss);
    }

    private void createFolder() {
        try {
            Files.createDirectories(folder);
            if (Files.exists(folder.resolve("metrics.jsonl"))) {
                throw new TrainException(folder + " already holds a run; give another --out or remove it");
            }
            Files.writeString(folder.resolve("config.yaml"), ConfigWriter.toYaml(config));
        } catch (FileAlreadyExistsException e) {
            throw new TrainException("cannot write the run to " + folder + ": it is a file; give a folder", e);
        } catch (IOException e) {
            throw new TrainException("cannot write the run to " + folder + ": " + e.getMessage(), e);
        }
    }
}
