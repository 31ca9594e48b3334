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
 * Checks the precision law: a mixed-precision run follows the same run in float32. With the same seed and sequences, the
 * mean losses of the last steps differ by at most 0.02 nats.
 */
public final class PrecisionLaw {

    /** Largest difference of the losses, in nats per token. */
    public static final double BOUND = 0.02;

    /** Number of last steps whose losses are averaged; a shorter run averages all. */
    public static final int AVERAGED = 50;

    private final RunConfig config;
    private final Precision narrow;
    private final Shards shards;
    private final Device device;

    /**
     * The results of both runs.
     *
     * @param tokens number of tokens that each run trained on
     */
    public record Result(int steps, int averaged, long tokens, Twin fp32, Twin narrow) {

        /** Loss of the narrower type minus loss in float32, in nats per token. */
        public double difference() {
            return narrow.loss() - fp32.loss();
        }

        public boolean holds() {
            return Math.abs(difference()) <= BOUND; // false for NaN
        }
    }

    /**
     * One run.
     *
     * @param loss mean over the last steps, in nats per token
     * @param skipped number of steps without an update, because gradients overflowed in fp16
     */
    public record Twin(double loss, double seconds, long skipped) {}

    /** Is notified after each step of both runs, with the number of steps done and the step's loss. */
    @FunctionalInterface
    public interface Progress {
        void step(int done, double loss);
    }

    /**
     * A check of a preset on prepared text. The model gets the text's vocabulary.
     *
     * @param narrow the precision to compare with float32
     */
    public PrecisionLaw(String preset, Precision narrow, Shards shards, Device device) {
        this.config = RunConfig.preset(preset);
        this.narrow = narrow;
        this.shards = shards;
        this.device = device;
    }

    /** Trains both runs. */
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
