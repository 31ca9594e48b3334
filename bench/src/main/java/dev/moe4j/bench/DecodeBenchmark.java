package dev.moe4j.bench;

import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.eval.perplexity.Perplexity;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.decode.Decoder;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.train.Trainer;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Measures inference on random tokens: prefill, decode and scoring. A decode step of one sequence reads every active
 * weight once, so memory bandwidth bounds its speed. Scoring is compared with the forward part of a training step in the
 * same process.
 */
public final class DecodeBenchmark {

    private static final int BATCH = 16;

    private final Architecture architecture;
    private final BatchConfig batch;
    private final Precision precision;
    private final Device device;
    private final SplittableRandom random = new SplittableRandom(1);

    /**
     * The measurements, each from the fastest of several rounds.
     *
     * @param prefillTokensPerSecond prefill rate of one prompt of half the context
     * @param tokenSeconds time of one decode step of one sequence, mean over the second half of its context
     * @param weightBytes bytes of the weights that a decode step reads
     * @param bandwidth memory bandwidth in bytes per second, see {@link MemoryRate}
     * @param batch number of sequences that are decoded together
     * @param batchTokensPerSecond decode rate of all sequences of the batch
     * @param evaluationTokensPerSecond rate of scoring text
     * @param trainingForwardTokensPerSecond rate of the forward part of a training step
     */
    public record Result(
            double prefillTokensPerSecond,
            double tokenSeconds,
            double weightBytes,
            double bandwidth,
            int batch,
            double batchTokensPerSecond,
            double evaluationTokensPerSecond,
            double trainingForwardTokensPerSecond) {

        /** The time in which memory could deliver a decode step's weights, over the measured time. */
        public double fractionOfFloor() {
            return weightBytes / bandwidth / tokenSeconds;
        }

        /** The rate of scoring over the rate of a training step's forward part. */
        public double evaluationOverTraining() {
            return evaluationTokensPerSecond / trainingForwardTokensPerSecond;
        }
    }

    /** A benchmark of one model; {@code batch} is its training batch. */
    public DecodeBenchmark(Architecture architecture, BatchConfig batch, Precision precision, Device device) {
        this.architecture = architecture;
        this.batch = batch;
        this.precision = precision;
        this.device = device;
    }

    /**
     * Runs the benchmark.
     *
     * @param rounds number of rounds, of which the fastest counts for each measurement; at least 1
     * @param done runs after each round
     */
    public Result run(int rounds, Runnable done) {
        if (rounds < 1) {
            throw new IllegalArgumentException("a benchmark needs at least one round");
        }
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, device, new RandomKey(1))) {
            double bandwidth = MemoryRate.measure(device);
            double[] one = new double[] {Double.MAX_VALUE, Double.MAX_VALUE};
            double[] many = one.clone();
            double evaluation = Double.MAX_VALUE;
            double training = Double.MAX_VALUE;
            Trainer trainer = trainer(model);
            SectionTimes warmup = new SectionTimes();
            trainer.time(warmup);
            trainer.step();
            for (int round = 0; round < rounds; round++) {
                decode(model, 1, one);
                decode(model, BATCH, many);
                // Alternately, so that both run under the same load.
                evaluation = Math.min(evaluation, evaluate(model));
                training = Math.min(training, trainingForward(trainer));
                done.run();
            }
            bandwidth = Math.max(bandwidth, MemoryRate.measure(device));
            return new Result(
                    1 / one[0],
                    one[1],
                    (double) Cost.of(architecture).parametersActive()
                            * precision.compute().bytes(),
                    bandwidth,
                    BATCH,
                    BATCH / many[1],
                    1 / evaluation,
                    1 / training);
        }
    }

    private Trainer trainer(LanguageModel model) {
        return new Trainer(
                model,
                batch,
                OptimizerConfig.DEFAULT,
                ScheduleConfig.DEFAULT,
                new RandomTokens(architecture.model().vocabulary()),
                1,
                Integer.MAX_VALUE);
    }

    /** Updates {@code best}: seconds per prompt token, and seconds per decode step of all sequences. */
    private void decode(LanguageModel model, int sequences, double[] best) {
        int context = architecture.model().context();
        int prompt = Math.max(1, context / 2);
        int steps = Math.max(1, context - prompt);
        try (Decoder decoder = Decoder.of(model, sequences, prompt + steps)) {
            int[][] prompts = tokens(sequences, prompt);
            long start = System.nanoTime();
            decoder.append(prompts);
            Libtorch.synchronize(device);
            best[0] = Math.min(best[0], (System.nanoTime() - start) / 1e9 / prompt / sequences);
            start = System.nanoTime();
            for (int step = 0; step < steps; step++) {
                decoder.append(tokens(sequences, 1));
                try (Scope _ = Scope.open()) {
                    Tensor next = decoder.next();
                    Libtorch.synchronize(next.device());
                }
            }
            best[1] = Math.min(best[1], (System.nanoTime() - start) / 1e9 / steps);
        }
    }

    private int[][] tokens(int sequences, int count) {
        return IntStream.range(0, sequences)
                .mapToObj(_ ->
                        random.ints(count, 0, architecture.model().vocabulary()).toArray())
                .toArray(int[][]::new);
    }

    /** Seconds per scored token, with a batch of the training micro-batch's size. */
    private double evaluate(LanguageModel model) {
        int windows = batch.microBatch();
        int count = windows * architecture.model().context();
        TokenStream text = TokenStream.of(tokens(1, count + 1)[0]);
        long start = System.nanoTime();
        double loss = Perplexity.of(model).batch(windows).score(text).loss();
        double seconds = (System.nanoTime() - start) / 1e9;
        return Double.isFinite(loss) ? seconds / count : Double.MAX_VALUE;
    }

    /** Seconds per token in the forward passes of a training step's sections. */
    private double trainingForward(Trainer trainer) {
        SectionTimes times = new SectionTimes();
        trainer.time(times);
        trainer.step();
        return times.forwardSeconds() / batch.sequences() / architecture.model().context();
    }
}
