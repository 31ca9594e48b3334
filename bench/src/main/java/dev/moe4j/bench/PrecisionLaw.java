package dev.moe4j.bench;

import dev.moe4j.data.SequenceSampler;
import dev.moe4j.data.Shards;
import dev.moe4j.model.Architecture;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.ModelConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.train.RunConfig;
import dev.moe4j.train.Trainer;

/**
 * The law that a run in bfloat16 follows its twin in float32: from the same seed and on the same sequences, the mean
 * loss of their last updates differs by 0.02 nats at most.
 */
public final class PrecisionLaw {

    /** Nats per token. */
    public static final double BOUND = 0.02;

    /** Updates at the end whose losses are averaged; of a shorter run all. */
    public static final int AVERAGED = 50;

    private final RunConfig config;
    private final Shards shards;
    private final Device device;

    /**
     * The twins' figures.
     *
     * @param tokens that each trained on
     */
    public record Result(int steps, int averaged, long tokens, Twin fp32, Twin bf16) {

        /** By how many nats per token bfloat16 is worse. */
        public double difference() {
            return bf16.loss() - fp32.loss();
        }

        public boolean holds() {
            return Math.abs(difference()) <= BOUND; // not for NaN
        }
    }

    /**
     * One run.
     *
     * @param loss nats per token, in the mean of the last updates
     */
    public record Twin(double loss, double seconds) {}

    /** Hears of each update of both runs: how many are done, and its loss. */
    @FunctionalInterface
    public interface Progress {
        void step(int done, double loss);
    }

    /** The law for a preset on prepared text, whose vocabulary the model takes. */
    public PrecisionLaw(String preset, Shards shards, Device device) {
        this.config = RunConfig.preset(preset);
        this.shards = shards;
        this.device = device;
    }

    /** Trains both. */
    public Result run(int steps, Progress progress) {
        if (steps < 1) {
            throw new BenchException("steps: " + steps + " is too small; use at least 1");
        }
        Twin fp32 = train(Precision.FP32, steps, progress);
        Twin bf16 = train(Precision.BF16, steps, (done, loss) -> progress.step(steps + done, loss));
        long tokens = (long) steps * config.batch().sequences() * config.model().context();
        return new Result(steps, averaged(steps), tokens, fp32, bf16);
    }

    private static int averaged(int steps) {
        return Math.min(AVERAGED, steps);
    }

    private Twin train(Precision precision, int steps, Progress progress) {
        Architecture architecture = config.architecture()
                .withVocabulary(ModelConfig.paddedVocabulary(shards.tokenizer().vocabularySize()));
        SequenceSampler sampler =
                new SequenceSampler(shards.train(), config.model().context(), config.seed());
        long start = System.nanoTime();
        double sum = 0;
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
                double loss = trainer.step().loss();
                sum += step > steps - averaged(steps) ? loss : 0;
                progress.step(step, loss);
            }
        }
        return new Twin(sum / averaged(steps), (System.nanoTime() - start) / 1e9);
    }
}
