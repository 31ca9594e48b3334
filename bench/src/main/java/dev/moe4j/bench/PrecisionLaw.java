package dev.moe4j.bench;

import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.train.Trainer;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.StepResult;

/**
 * The law that a run in a narrower type follows its twin in float32: from the same seed and on the same sequences, the
 * mean loss of their last steps differs by 0.02 nats at most.
 */
public final class PrecisionLaw {

    /** Nats per token. */
    public static final double BOUND = 0.02;

    /** Steps at the end whose losses are averaged; of a shorter run all. */
    public static final int AVERAGED = 50;

    private final RunConfig config;
    private final Precision narrow;
    private final Shards shards;
    private final Device device;

    /**
     * The twins' figures.
     *
     * @param tokens that each trained on
     */
    public record Result(int steps, int averaged, long tokens, Twin fp32, Twin narrow) {

        /** By how many nats per token the narrower type is worse. */
        public double difference() {
            return narrow.loss() - fp32.loss();
        }

        public boolean holds() {
            return Math.abs(difference()) <= BOUND; // not for NaN
        }
    }

    /**
     * One run.
     *
     * @param loss nats per token, in the mean of the last steps
     * @param skipped steps that made no update, since gradients overflowed in fp16
     */
    public record Twin(double loss, double seconds, long skipped) {}

    /** Hears of each step of both runs: how many are done, and its loss. */
    @FunctionalInterface
    public interface Progress {
        void step(int done, double loss);
    }

    /**
     * The law for a preset on prepared text, whose vocabulary the model takes.
     *
     * @param narrow what is compared with float32
     */
    public PrecisionLaw(String preset, Precision narrow, Shards shards, Device device) {
        this.config = RunConfig.preset(preset);
        this.narrow = narrow;
        this.shards = shards;
        this.device = device;
    }

    /** Trains both. */
    public Result run(int steps, Progress progress) {
        if (steps < 1) {
            throw new BenchException("steps: " + steps + " is too small; use at least 1");
        }
        Twin fp32 = train(Precision.FP32, steps, progress);
        Twin twin = train(narrow, steps, (done, loss) -> progress.step(steps + done, loss));
        long tokens = (long) steps * config.batch().sequences() * config.model().context();
        return new Result(steps, averaged(steps), tokens, fp32, twin);
    }

    private static int averaged(int steps) {
        return Math.min(AVERAGED, steps);
    }

    private Twin train(Precision precision, int steps, Progress progress) {
        Architecture architecture = config.architecture()
                .withVocabulary(ModelConfig.paddedVocabulary(shards.tokenizer().vocabularySize()));
        BlockSampler sampler = new BlockSampler(shards.train(), config.model().context(), config.seed());
        long start = System.nanoTime();
        double sum = 0;
        long skipped = 0;
        try (LanguageModel model =
                LanguageModel.initialize(architecture, precision, device, new RandomKey(config.seed()))) {
            Trainer trainer = new Trainer(
                    model,
                    config.batch(),
                    config.optimizer(),
                    config.schedule(),
                    sampler::sequence,
                    config.seed(),
                    steps);
            for (int step = 1; step <= steps; step++) {
                StepResult result = trainer.step();
                sum += step > steps - averaged(steps) ? result.loss() : 0;
                skipped = result.skipped();
                progress.step(step, result.loss());
            }
        }
        return new Twin(sum / averaged(steps), (System.nanoTime() - start) / 1e9, skipped);
    }
}
