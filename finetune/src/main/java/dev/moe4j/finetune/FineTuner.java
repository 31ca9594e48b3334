package dev.moe4j.finetune;

import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.TaskEvaluation;
import dev.moe4j.eval.task.TaskRun;
import dev.moe4j.eval.task.TrainingExample;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.config.UpdateConvention;
import dev.moe4j.train.optimizer.AdamW;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Fine-tunes one model with one learning rate and one seed. All weights learn but those that are frozen. After each epoch
 * the validation questions are put to it, and in the end it has the parameters of the epoch that did best there.
 */
final class FineTuner implements AutoCloseable {

    private static final OptimizerConfig ADAM = new OptimizerConfig(1, 0.9, 0.98, 1e-6, 0, UpdateConvention.PLAIN, 1);

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final FineTuneData data;
    private final FineTuneSettings settings;
    private final RandomKey key;
    private final @Nullable LinearHead head;
    private final AdamW optimizer = new AdamW(ADAM);
    private Scope best = Scope.detached();
    private List<Tensor> bestMasters = List.of();

    /**
     * @param model its parameters are changed; stays its caller's to close
     */
    FineTuner(LanguageModel model, Tokenizer tokenizer, FineTuneData data, FineTuneSettings settings, long seed) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.data = data;
        this.settings = settings;
        this.key = new RandomKey(seed).fold("fine-tuning");
        this.head = settings.head() == FineTuneSettings.Head.LINEAR
                ? LinearHead.zeros(model, tokenizer, data.test())
                : null;
        model.parameters()
                .freeze(unit -> (settings.freezeRouter() && unit.name().endsWith(".moe.gate"))
                        || (settings.freezeExperts() && unit.name().endsWith(".moe.experts")));
        Double expertDropout = settings.expertDropout();
        if (expertDropout != null) {
            model.expertDropout(expertDropout);
        }
    }

    /** The linear head; null where the language model's own answers. */
    @Nullable
    Parameters head() {
        return head == null ? null : head.parameters();
    }

    /** Updates that a run has at most. */
    static long updates(FineTuneData data, FineTuneSettings settings) {
        return (long) settings.epochs() * Math.ceilDiv(data.train().count(), settings.batch());
    }

    /**
     * Fine-tunes; to be called once.
     *
     * @param progress hears how many updates are made
     */
    FineTuneRun run(double learningRate, LongConsumer progress) {
        long start = System.nanoTime();
        List<Sheet> sheets = exercises(data.train()).stream()
                .flatMap(Optional::stream)
                .map(this::sheet)
                .toList();
        if (sheets.isEmpty()) {
            throw LinearHead.tooLong(data.train());
        }
        long perEpoch = Math.ceilDiv(sheets.size(), settings.batch());
        long all = perEpoch * settings.epochs();
        long warmUp = Math.round(settings.warmUp() * all);
        ScheduleConfig schedule = new ScheduleConfig(
                ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PLAIN, Math.min(warmUp, all - 1), 0, 0, 1);
        List<FineTuneResult.Epoch> epochs = new ArrayList<>();
        int bestEpoch = 0;
        double bestFigure = Double.NEGATIVE_INFINITY;
        boolean diverged = false;
        long update = 0;
        while (epochs.size() < settings.epochs() && epochs.size() - bestEpoch < settings.patience()) {
            double sum = 0;
            List<Sheet> shuffled = shuffled(sheets, epochs.size());
            for (int from = 0; from < shuffled.size(); from += settings.batch()) {
                List<Sheet> batch = shuffled.subList(from, Math.min(from + settings.batch(), shuffled.size()));
                update++;
                double loss = update(batch, update, schedule.rate(learningRate, update, all));
                sum += loss * batch.size();
                progress.accept(update);
            }
            if (!Double.isFinite(sum) || !finite()) {
                diverged = true;
                break;
            }
            double figure = figure(data.validation());
            epochs.add(new FineTuneResult.Epoch(sum / sheets.size(), figure));
            if (figure > bestFigure) {
                bestFigure = figure;
                bestEpoch = epochs.size();
                keep();
            }
        }
        boolean usable = bestEpoch > 0;
        TaskRun test = new TaskRun(new double[0][], 0, 0);
        if (usable) {
            restore();
            test = answers(data.test());
        }
        return new FineTuneRun(
                epochs, bestEpoch, usable ? bestFigure : 0, diverged, test, (System.nanoTime() - start) / 1e9);
    }

    private List<Sheet> shuffled(List<Sheet> sheets, int epoch) {
        List<Sheet> order = new ArrayList<>(sheets);
        Collections.shuffle(order, new Random(key.fold("order").fold(epoch).value()));
        return order;
    }

    private List<Optional<TrainingExample>> exercises(Questions questions) {
        return questions.exercises(tokenizer, model.config().context());
    }

    private Sheet sheet(TrainingExample exercise) {
        if (head != null) {
            return head.sheet(exercise);
        }
        return settings.head() == FineTuneSettings.Head.ANSWER ? Sheet.answer(exercise) : Sheet.choice(exercise);
    }

    private ScoreSection scores(SheetBatch batch) {
        return head == null
                ? new ScoreSection(
                        model.output(),
                        null,
                        true,
                        batch,
                        model.parameters().precision().stable())
                : head.scores(batch);
    }

    private List<SheetBatch> cut(List<Sheet> sheets) {
        return SheetBatch.cut(
                sheets, settings.batchTokens(), head == null ? model.config().vocabulary() : 1);
    }

    /** All that is learnt: the model and, where there is one, the head. */
    private List<Parameters> learnt() {
        return head == null ? List.of(model.parameters()) : List.of(model.parameters(), head.parameters());
    }

    /** Makes one update, and gives the mean loss before it; NaN where it is no number, or its gradient is none. */
    private double update(List<Sheet> sheets, long number, double rate) {
        learnt().forEach(Parameters::startGradients);
        List<SheetBatch> micros = cut(sheets);
        long targets =
                micros.stream().mapToLong(micro -> micro.tokens().predicted()).sum();
        double loss = 0;
        long sequence = 0;
        for (SheetBatch micro : micros) {
            long[] sequences = new long[micro.tokens().sequences()];
            for (int i = 0; i < sequences.length; i++) {
                sequences[i] = sequence++;
            }
            try (Scope _ = Scope.open();
                    Tape tape = Tape.recording()) {
                LanguageModel.Body body = model.body(
                        tape, micro.tokens(), new PassContext(true, 1.0 / targets, key.fold(number), sequences));
                Value scores = tape.run(scores(micro), body.states());
                Value own = tape.run(
                        new ChoiceLossSection(
                                micro, settings.head() == FineTuneSettings.Head.ANSWER, 1.0 / sheets.size()),
                        scores);
                loss += own.tensor().item();
                List<Value> roots = new ArrayList<>(body.roots());
                roots.add(own);
                tape.backward(roots.toArray(Value[]::new));
            }
        }
        learnt().forEach(Parameters::finishGradients);
        model.balanceTracker().endStep();
        double norm = norm();
        if (!Double.isFinite(loss) || !Double.isFinite(norm)) {
            return Double.NaN;
        }
        learnt().forEach(parameters -> optimizer.update(parameters, number, rate, norm, 1));
        return loss;
    }

    /** The gradient's, over all that is learnt. */
    private double norm() {
        return Math.sqrt(learnt().stream()
                .mapToDouble(AdamW::gradientNorm)
                .map(norm -> norm * norm)
                .sum());
    }

    private boolean finite() {
        try (Scope _ = Scope.open()) {
            return learnt().stream()
                    .flatMap(parameters -> parameters.units().stream())
                    .allMatch(unit -> unit.master().allFinite());
        }
    }

    private double figure(Questions questions) {
        return questions.result(List.of(answers(questions))).main().mean();
    }

    /** Puts questions to the model as it is. */
    private TaskRun answers(Questions questions) {
        return head == null
                ? TaskEvaluation.of(model, tokenizer)
                        .batchTokens(settings.batchTokens())
                        .run(questions, 0)
                : head.answers(questions, settings.batchTokens());
    }

    private List<ParameterGroup> units() {
        return learnt().stream()
                .flatMap(parameters -> parameters.units().stream())
                .toList();
    }

    private void keep() {
        best.close();
        best = Scope.detached();
        try (Scope _ = Scope.open()) {
            bestMasters = units().stream()
                    .map(unit -> best.keep(unit.master().copy()))
                    .toList();
        }
    }

    private void restore() {
        List<ParameterGroup> units = units();
        for (int i = 0; i < units.size(); i++) {
            units.get(i).master().copy(bestMasters.get(i));
        }
        learnt().forEach(Parameters::refresh);
    }

    @Override
    public void close() {
        best.close();
        if (head != null) {
            head.close();
        }
    }
}
