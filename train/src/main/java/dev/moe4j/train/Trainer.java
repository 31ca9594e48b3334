package dev.moe4j.train;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.Pass;
import dev.moe4j.model.TokenBatch;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tape;
import dev.moe4j.tensor.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Makes updates: a batch forward and backward in micro-batches, the gradient's norm, the optimizer. What happens in
 * update n depends only on the configuration, the seed, the data and n.
 */
public final class Trainer {

    private final LanguageModel model;
    private final BatchConfig batch;
    private final AdamW optimizer;
    private final SequenceSource source;
    private final RandomKey key;
    private final LongToDoubleFunction rate;
    private long update;
    private Tape.@Nullable Timer timer;

    /** Sequences by their global number. */
    @FunctionalInterface
    public interface SequenceSource {

        /** Fills {@code tokens} with sequence {@code number}: one token more than the model sees, to be predicted. */
        void sequence(long number, int[] tokens);
    }

    /**
     * One update's figures.
     *
     * @param update its number, from 1 on
     * @param loss nats per token, without the balance losses
     * @param balance the mean balance loss over layers, without its weight; 0 for dense models
     * @param learningRate of this update
     * @param gradientNorm over all parameters, before clipping
     * @param tokens predicted in this update
     * @param routing each MoE layer's report on the last micro-batch
     * @param optimizerNanoseconds spent on the norm and the optimizer
     */
    public record Result(
            long update,
            double loss,
            double balance,
            double learningRate,
            double gradientNorm,
            long tokens,
            List<LossReport.LayerRouting> routing,
            long optimizerNanoseconds) {}

    /**
     * @param seed of dropout and of random routing
     * @param updates of the whole run, for the schedule
     */
    public Trainer(
            LanguageModel model,
            BatchConfig batch,
            OptimizerConfig optimizer,
            ScheduleConfig schedule,
            SequenceSource source,
            long seed,
            long updates) {
        this(model, batch, optimizer, update -> schedule.rate(optimizer.learningRate(), update, updates), source, seed);
    }

    /** A trainer whose learning rate is a function of the update's number. */
    Trainer(
            LanguageModel model,
            BatchConfig batch,
            OptimizerConfig optimizer,
            LongToDoubleFunction rate,
            SequenceSource source,
            long seed) {
        this.model = model;
        this.batch = batch;
        this.optimizer = new AdamW(optimizer);
        this.rate = rate;
        this.source = source;
        this.key = new RandomKey(seed).fold("training");
    }

    /** Reports each section's time to the timer from now on. */
    public void time(Tape.@Nullable Timer listener) {
        timer = listener;
    }

    public LanguageModel model() {
        return model;
    }

    /** Updates made so far. */
    public long updatesDone() {
        return update;
    }

    /** Makes the next update. */
    public Result step() {
        update++;
        Parameters parameters = model.parameters();
        parameters.startGradients();
        List<TokenBatch> micros = new ArrayList<>();
        for (int micro = 0; micro < batch.accumulation(); micro++) {
            micros.add(batch(firstSequence(micro)));
        }
        long tokens = micros.stream().mapToLong(TokenBatch::predicted).sum();
        double loss = 0;
        double balance = 0;
        List<LossReport.LayerRouting> routing = List.of();
        for (int micro = 0; micro < batch.accumulation(); micro++) {
            try (Scope _ = Scope.open();
                    Tape tape = Tape.recording(timer)) {
                LossReport report = model.loss(tape, micros.get(micro), pass(firstSequence(micro), 1.0 / tokens));
                loss += report.roots().getFirst().tensor().item();
                routing = report.routing();
                balance += routing.stream()
                                .mapToDouble(LossReport.LayerRouting::balance)
                                .average()
                                .orElse(0)
                        / batch.accumulation();
                checkFinite(loss);
                tape.backward(report.roots().toArray(Value[]::new));
            }
        }
        parameters.finishGradients();
        model.balanceTracker().endStep();
        long start = System.nanoTime();
        double norm = AdamW.gradientNorm(parameters);
        checkFinite(norm);
        double learningRate = rate.applyAsDouble(update);
        optimizer.update(parameters, update, learningRate, norm);
        return new Result(update, loss, balance, learningRate, norm, tokens, routing, System.nanoTime() - start);
    }

    private void checkFinite(double value) {
        if (!Double.isFinite(value)) {
            throw new TrainException("step " + update + ": the loss or its gradient is " + value
                    + "; lower optimizer.learning_rate, lengthen schedule.warmup or set precision=fp32");
        }
    }

    private long firstSequence(int micro) {
        return (update - 1) * batch.sequences() + (long) micro * batch.microBatch();
    }

    /** The sequences from that one on; padding is not predicted. */
    private TokenBatch batch(long firstSequence) {
        int padding = model.config().padding();
        int length = model.config().context();
        int count = batch.microBatch();
        long[] tokens = new long[count * length];
        long[] targets = new long[count * length];
        int[] sequence = new int[length + 1];
        for (int i = 0; i < count; i++) {
            source.sequence(firstSequence + i, sequence);
            for (int j = 0; j < length; j++) {
                tokens[i * length + j] = sequence[j];
                targets[i * length + j] = sequence[j + 1] == padding ? TokenBatch.NONE : sequence[j + 1];
            }
        }
        return new TokenBatch(tokens, targets, count);
    }

    private Pass pass(long firstSequence, double lossPerToken) {
        long[] sequences = new long[batch.microBatch()];
        for (int i = 0; i < sequences.length; i++) {
            sequences[i] = firstSequence + i;
        }
        return new Pass(true, lossPerToken, key.fold(update), sequences);
    }
}
