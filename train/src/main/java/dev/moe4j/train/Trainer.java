package dev.moe4j.train;

import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.Slice;
import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.train.checkpoint.TrainerState;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.DataConfig;
import dev.moe4j.train.config.LossScaleConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.config.WatchConfig;
import dev.moe4j.train.metrics.StepResult;
import dev.moe4j.train.optimizer.AdamW;
import dev.moe4j.train.optimizer.LossScale;
import dev.moe4j.train.optimizer.SpikeGuard;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * Performs training steps. A step runs the forward and backward pass of a batch in micro-batches (gradient
 * accumulation), computes the global gradient norm and updates the parameters with AdamW. Data parallel processes each
 * compute their slice of every micro-batch.
 *
 * <p>The result of step n depends only on the configuration, the seed, the data, the parameters with their moments, and
 * the {@link TrainerState}.
 */
public final class Trainer {

    private final LanguageModel model;
    private final ProcessGroup everyone;
    private final BatchConfig batch;
    /** The sequences of each micro-batch that this process computes. */
    private final Slice slice;

    private final AdamW optimizer;
    private final Prefetch<List<TokenBatch>> prefetch = new Prefetch<>(this::microBatches);
    private BatchBuilder batches;
    private final RandomKey key;
    private final LongToDoubleFunction rate;
    private SpikeGuard guard = new SpikeGuard(WatchConfig.DEFAULT);
    private LossScale lossScale;
    private long step;
    private long updates;
    /** Added to sequence numbers; not 0 if earlier steps ran with another batch size. */
    private long sequenceOffset;

    private Tape.@Nullable Timer timer;
    private Tape.@Nullable Inspector inspector;

    /** Supplies training sequences by their global number. */
    @FunctionalInterface
    public interface SequenceSource {

        /**
         * Fills {@code tokens} with sequence {@code number}: the model's input and one more token, so that each input
         * token has a target.
         */
        void sequence(long number, int[] tokens);

        /** The positions at which documents begin in the sequence; see {@link TrainingSequences#documentStarts}. */
        default int[] documentStarts(long number) {
            return new int[0];
        }

        /** Returns a source that reads prepared data. */
        static SequenceSource of(TrainingSequences sequences) {
            return new SequenceSource() {
                @Override
                public void sequence(long number, int[] tokens) {
                    sequences.sequence(number, tokens);
                }

                @Override
                public int[] documentStarts(long number) {
                    return sequences.documentStarts(number);
                }
            };
        }
    }

    /**
     * Creates a trainer for a model.
     *
     * @param source the training sequences
     * @param seed seed of dropout and of random routing
     * @param steps length of the complete run in steps, which the learning rate schedule needs
     * @throws TrainException if the micro-batch cannot be divided evenly among the processes
     */
    public Trainer(
            LanguageModel model,
            BatchConfig batch,
            OptimizerConfig optimizer,
            ScheduleConfig schedule,
            SequenceSource source,
            long seed,
            long steps) {
        this(model, batch, optimizer, step -> schedule.rate(optimizer.learningRate(), step, steps), source, seed);
    }

    /** Creates a trainer with a learning rate that is a function of the step number. */
    Trainer(
            LanguageModel model,
            BatchConfig batch,
            OptimizerConfig optimizer,
            LongToDoubleFunction rate,
            SequenceSource source,
            long seed) {
        this.model = model;
        this.everyone = model.parallelContext().everyone();
        this.batch = batch;
        this.slice = slice(batch, everyone.members());
        this.optimizer = new AdamW(optimizer);
        this.lossScale =
                new LossScale(LossScaleConfig.DEFAULT, model.parameters().precision());
        this.rate = rate;
        this.batches = new BatchBuilder(source, model.config(), DataConfig.DEFAULT);
        this.key = new RandomKey(seed).fold("training");
    }

    private static Slice slice(BatchConfig batch, Members members) {
        if (batch.microBatch() % members.size() != 0) {
            throw new TrainException("batch: micro-batches of %d sequences cannot be divided among %d processes; "
                            .formatted(batch.microBatch(), members.size())
                    + "batch.sequences / batch.accumulation must be a multiple of their number");
        }
        return members.share(batch.microBatch());
    }

    /** Sets a timer that receives the time of every section from the next step on; null removes it. */
    public void time(Tape.@Nullable Timer listener) {
        timer = listener;
    }

    /** Sets an inspector that sees the output of every section from the next step on. It replaces the timer. */
    void inspect(Tape.Inspector listener) {
        inspector = listener;
    }

    private Tape tape() {
        return inspector == null ? Tape.recording(timer) : Tape.inspected(inspector);
    }

    public LanguageModel model() {
        return model;
    }

    /** Enables the spike guard with these settings. By default no step is skipped. */
    Trainer skipSpikes(WatchConfig watch) {
        guard = new SpikeGuard(watch);
        return this;
    }

    /** Sets how the loss is scaled in fp16 (mixed precision). Other precisions ignore it. */
    Trainer scaleLoss(LossScaleConfig config) {
        lossScale = new LossScale(config, model.parameters().precision());
        return this;
    }

    /** Sets whether attention and positions respect document boundaries within a sequence. By default they do not. */
    public Trainer documents(DataConfig config) {
        batches = new BatchBuilder(batches.source(), batches.model(), config);
        return this;
    }

    /** Returns the seconds that steps waited for data since the previous call. */
    double takeDataWaitSeconds() {
        return prefetch.takeWaitedSeconds();
    }

    /** The number of finished steps. */
    public long stepsDone() {
        return step;
    }

    /** The state that a checkpoint stores in addition to the parameters and their moments. */
    public TrainerState state() {
        return new TrainerState(
                step,
                updates,
                sequencesBefore(step + 1),
                lossScale.state(),
                guard.state(),
                model.balanceTracker().state());
    }

    /** Continues from another trainer's state. The model must already have that trainer's parameters and moments. */
    void restore(TrainerState earlier) {
        step = earlier.step();
        updates = earlier.updates();
        sequenceOffset = earlier.sequences() - step * batch.sequences();
        lossScale.restore(earlier.lossScale());
        guard.restore(earlier.spikes());
        model.balanceTracker().restore(earlier.balance());
    }

    /**
     * Performs the next step. All processes of the run must call this together.
     *
     * @return the step's loss, gradient norm, learning rate and routing statistics
     * @throws TrainException if the loss or the gradient norm is not finite; the parameters are then unchanged
     */
    public StepResult step() {
        step++;
        Parameters parameters = model.parameters();
        parameters.startGradients();
        List<TokenBatch> microBatches = prefetch.take(step);
        double predicted =
                microBatches.stream().mapToLong(TokenBatch::predicted).sum();
        long tokens = (long) everyone.sum(new double[] {predicted}, "tokens of the step")[0];
        double scale = lossScale.scale();
        List<DeferredScalars> losses = new ArrayList<>();
        List<LossReport> reports = new ArrayList<>();
        double loss;
        double balance;
        double squares;
        List<LayerRouting> routing;
        long start;
        // Scalars are read together at the end of the step, because each read waits for the device.
        try (Scope figures = Scope.open()) {
            for (int micro = 0; micro < batch.accumulation(); micro++) {
                try (Scope _ = Scope.open();
                        Tape tape = tape()) {
                    LossReport report = model.loss(
                            tape, microBatches.get(micro), pass(firstSequence(micro), scale / tokens, tokens));
                    losses.add(DeferredScalars.of(report.roots().getFirst().tensor(), figures));
                    report.figures().forEach(figure -> figure.keepIn(figures));
                    reports.add(report);
                    model.beginBackward(micro == batch.accumulation() - 1);
                    tape.backward(report.roots().toArray(Value[]::new));
                }
            }
            parameters.finishGradients();
            start = System.nanoTime();
            DeferredScalars norms = AdamW.gradientNorms(parameters, figures);
            List<DeferredScalars> all = new ArrayList<>(losses);
            reports.forEach(report -> all.addAll(report.figures()));
            all.add(norms);
            if (model.config().experts() > 0) {
                all.add(model.balanceTracker().count(figures));
            }
            DeferredScalars.read(all);
            loss = 0;
            balance = 0;
            for (DeferredScalars figure : losses) {
                loss += figure.value() / scale;
            }
            for (LossReport report : reports) {
                balance += meanBalance(report.routing()) / batch.accumulation();
            }
            routing = reports.getLast().routing();
            squares = Math.pow(AdamW.norm(norms), 2);
        }
        double[] sums = everyone.sum(new double[] {loss, balance}, "losses of the step");
        loss = sums[0];
        balance = sums[1] / everyone.members().size();
        double norm = Math.sqrt(everyone.sum(new double[] {squares}, "gradient norm")[0]) / scale;
        if (!Double.isFinite(loss) || !(Double.isFinite(norm) || lossScale.active())) {
            throw notFinite(loss, norm, microBatches, tokens);
        }
        model.balanceTracker().endStep();
        routing = LossReport.over(everyone, routing);
        double learningRate = rate.applyAsDouble(step);
        if (lossScale.accepts(step, norm) && guard.accepts(step, loss, norm)) {
            updates++;
            optimizer.update(parameters, updates, learningRate, norm, scale);
        }
        if (timer != null) {
            Libtorch.synchronize(model.device());
        }
        return new StepResult(
                step, updates, loss, balance, learningRate, norm, scale, tokens, routing, System.nanoTime() - start);
    }

    private static double meanBalance(List<LayerRouting> routing) {
        return routing.stream().mapToDouble(LayerRouting::balance).average().orElse(0);
    }

    /** Runs the step again with an inspector on every section, to report where the first non-finite value appears. */
    private TrainException notFinite(double loss, double norm, List<TokenBatch> microBatches, long tokens) {
        String where = "not reproduced when the step was run again";
        long first = sequencesBefore(step);
        long last = first + batch.sequences() - 1;
        for (int micro = 0; micro < batch.accumulation(); micro++) {
            long sequence = firstSequence(micro);
            PassContext pass = pass(sequence, 1.0 / tokens, tokens);
            Optional<NonFiniteFinder.Place> found = NonFiniteFinder.find(model, microBatches.get(micro), pass);
            if (found.isPresent()) {
                int rank = found.get().rank();
                where = "first in " + found.get().name() + (everyone.members().size() == 1 ? "" : " of rank " + rank);
                first = sequence - slice.start() + rank * slice.length();
                last = first + slice.length() - 1;
                break;
            }
        }
        return new TrainException("step %d: the loss is %s and the gradient norm is %s, %s, at sequences %d to %d"
                        .formatted(step, loss, norm, where, first, last)
                + "; lower optimizer.learning_rate, lengthen schedule.warmup or set precision=fp32");
    }

    /** The global number of a step's first sequence. */
    private long sequencesBefore(long ofStep) {
        return sequenceOffset + (ofStep - 1) * batch.sequences();
    }

    private long firstSequence(int micro) {
        return firstSequence(step, micro);
    }

    /** The global number of the first sequence of a micro-batch that this process computes. */
    private long firstSequence(long ofStep, int micro) {
        return sequencesBefore(ofStep) + (long) micro * batch.microBatch() + slice.start();
    }

    /**
     * Builds this process's slice of each micro-batch of a step. Runs on the prefetch thread, so it must not use state
     * that steps change.
     */
    private List<TokenBatch> microBatches(long ofStep) {
        List<TokenBatch> microBatches = new ArrayList<>();
        for (int micro = 0; micro < batch.accumulation(); micro++) {
            microBatches.add(batches.batch(firstSequence(ofStep, micro), (int) slice.length()));
        }
        return microBatches;
    }

    private PassContext pass(long firstSequence, double lossPerToken, long tokens) {
        long[] sequences = new long[(int) slice.length()];
        for (int i = 0; i < sequences.length; i++) {
            sequences[i] = firstSequence + i;
        }
        return new PassContext(true, lossPerToken, (double) tokens / batch.sequences(), key.fold(step), sequences);
    }
}
