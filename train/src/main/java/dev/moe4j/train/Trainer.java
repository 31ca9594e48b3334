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
 * Makes steps: a batch forward and backward in micro-batches, the gradient's norm, the optimizer. What happens in step n
 * depends only on the configuration, the seed, the data, the parameters with their moments, and the {@link State}.
 */
public final class Trainer {

    private final LanguageModel model;
    private final ProcessGroup everyone;
    private final BatchConfig batch;
    /** This process's sequences of each micro-batch. */
    private final Slice share;

    private final AdamW optimizer;
    private final Prefetch<List<TokenBatch>> micros = new Prefetch<>(this::micros);
    private Batches batches;
    private final RandomKey key;
    private final LongToDoubleFunction rate;
    private SpikeGuard guard = new SpikeGuard(WatchConfig.DEFAULT);
    private LossScale lossScale;
    private long step;
    private long updates;
    /** The first step's first sequence, if all steps had this batch: not 0 where earlier ones had another. */
    private long origin;

    private Tape.@Nullable Timer timer;
    private Tape.@Nullable Inspector inspector;

    /** Sequences by their global number. */
    @FunctionalInterface
    public interface SequenceSource {

        /** Fills {@code tokens} with sequence {@code number}: one token more than the model sees, to be predicted. */
        void sequence(long number, int[] tokens);

        /** Where documents begin in it, as {@link TrainingSequences#documentStarts} has it. */
        default int[] documentStarts(long number) {
            return new int[0];
        }

        /** The sequences of prepared text. */
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
     * @param seed of dropout and of random routing
     * @param steps of the whole run, for the schedule
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

    /** A trainer whose learning rate is a function of the step's number. */
    Trainer(
            LanguageModel model,
            BatchConfig batch,
            OptimizerConfig optimizer,
            LongToDoubleFunction rate,
            SequenceSource source,
            long seed) {
        this.model = model;
        this.everyone = model.fabric().everyone();
        this.batch = batch;
        this.share = share(batch, everyone.members());
        this.optimizer = new AdamW(optimizer);
        this.lossScale =
                new LossScale(LossScaleConfig.DEFAULT, model.parameters().precision());
        this.rate = rate;
        this.batches = new Batches(source, model.config(), DataConfig.DEFAULT);
        this.key = new RandomKey(seed).fold("training");
    }

    private static Slice share(BatchConfig batch, Members members) {
        if (batch.microBatch() % members.size() != 0) {
            throw new TrainException("batch: micro-batches of %d sequences cannot be divided among %d processes; "
                            .formatted(batch.microBatch(), members.size())
                    + "batch.sequences / batch.accumulation must be a multiple of their number");
        }
        return members.share(batch.microBatch());
    }

    /** Reports each section's time to the timer from now on. */
    public void time(Tape.@Nullable Timer listener) {
        timer = listener;
    }

    /** Shows what each section computes from now on, instead of its time. */
    void inspect(Tape.Inspector listener) {
        inspector = listener;
    }

    private Tape tape() {
        return inspector == null ? Tape.recording(timer) : Tape.inspected(inspector);
    }

    public LanguageModel model() {
        return model;
    }

    /** Skips steps that are spikes by this configuration; by default none are. */
    Trainer skipSpikes(WatchConfig watch) {
        guard = new SpikeGuard(watch);
        return this;
    }

    /** Scales an fp16 run's loss by this configuration. */
    Trainer scaleLoss(LossScaleConfig config) {
        lossScale = new LossScale(config, model.parameters().precision());
        return this;
    }

    /** Tells the model about documents by this configuration; by default it does not know of them. */
    public Trainer documents(DataConfig config) {
        batches = new Batches(batches.source(), batches.model(), config);
        return this;
    }

    /** Seconds that steps have waited for data since this was asked before. */
    double takeDataWaitSeconds() {
        return micros.takeWaitedSeconds();
    }

    /** Steps finished so far. */
    public long stepsDone() {
        return step;
    }

    public TrainerState state() {
        return new TrainerState(
                step,
                updates,
                sequencesBefore(step + 1),
                lossScale.state(),
                guard.state(),
                model.balanceTracker().state());
    }

    /** Goes on where another trainer stood; the model has its parameters and moments already. */
    void restore(TrainerState earlier) {
        step = earlier.step();
        updates = earlier.updates();
        origin = earlier.sequences() - step * batch.sequences();
        lossScale.restore(earlier.lossScale());
        guard.restore(earlier.spikes());
        model.balanceTracker().restore(earlier.balance());
    }

    /**
     * Makes the next step.
     *
     * @throws TrainException if the loss or its gradient is no number; the parameters are then as they were before
     */
    public StepResult step() {
        step++;
        Parameters parameters = model.parameters();
        parameters.startGradients();
        List<TokenBatch> micros = this.micros.take(step);
        double predicted = micros.stream().mapToLong(TokenBatch::predicted).sum();
        long tokens = (long) everyone.sum(new double[] {predicted}, "tokens of the step")[0];
        double scale = lossScale.scale();
        List<DeferredScalars> losses = new ArrayList<>();
        List<LossReport> reports = new ArrayList<>();
        double loss;
        double balance;
        double squares;
        List<LayerRouting> routing;
        long start;
        // What the step tells is read once, at its end: each read waits for the device.
        try (Scope figures = Scope.open()) {
            for (int micro = 0; micro < batch.accumulation(); micro++) {
                try (Scope _ = Scope.open();
                        Tape tape = tape()) {
                    LossReport report =
                            model.loss(tape, micros.get(micro), pass(firstSequence(micro), scale / tokens, tokens));
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
            throw notFinite(loss, norm, micros, tokens);
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

    /** Runs the step again, watching every section, and tells where it first went wrong. */
    private TrainException notFinite(double loss, double norm, List<TokenBatch> micros, long tokens) {
        String where = "no section shows it when the step is run again";
        long first = sequencesBefore(step);
        long last = first + batch.sequences() - 1;
        for (int micro = 0; micro < batch.accumulation(); micro++) {
            long sequence = firstSequence(micro);
            PassContext pass = pass(sequence, 1.0 / tokens, tokens);
            Optional<NotFinite.Place> found = NotFinite.find(model, micros.get(micro), pass);
            if (found.isPresent()) {
                int rank = found.get().rank();
                where = "first in " + found.get().name() + (everyone.members().size() == 1 ? "" : " of rank " + rank);
                first = sequence - share.start() + rank * share.length();
                last = first + share.length() - 1;
                break;
            }
        }
        return new TrainException("step %d: the loss is %s and its gradient's norm %s, %s, at sequences %d to %d"
                        .formatted(step, loss, norm, where, first, last)
                + "; lower optimizer.learning_rate, lengthen schedule.warmup or set precision=fp32");
    }

    /** The global number of a step's first sequence. */
    private long sequencesBefore(long ofStep) {
        return origin + (ofStep - 1) * batch.sequences();
    }

    private long firstSequence(int micro) {
        return firstSequence(step, micro);
    }

    /** The first of this process's sequences of a micro-batch. */
    private long firstSequence(long ofStep, int micro) {
        return sequencesBefore(ofStep) + (long) micro * batch.microBatch() + share.start();
    }

    /** This process's part of a step's micro-batches; runs on another thread, and depends on nothing that steps change. */
    private List<TokenBatch> micros(long ofStep) {
        List<TokenBatch> micros = new ArrayList<>();
        for (int micro = 0; micro < batch.accumulation(); micro++) {
            micros.add(batches.batch(firstSequence(ofStep, micro), (int) share.length()));
        }
        return micros;
    }

    private PassContext pass(long firstSequence, double lossPerToken, long tokens) {
        long[] sequences = new long[(int) share.length()];
        for (int i = 0; i < sequences.length; i++) {
            sequences[i] = firstSequence + i;
        }
        return new PassContext(true, lossPerToken, (double) tokens / batch.sequences(), key.fold(step), sequences);
    }
}
