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
 * Fine-tunes one model with one learning rate and one seed. All parameters are trained except the frozen ones. The
 * validation questions are scored after each epoch. At the end the model has the parameters of the best epoch.
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
     * @param model the model to train in place; the caller closes it
     * @param tokenizer the model's tokenizer
     * @param data training, validation and test questions
     * @param settings hyperparameters
     * @param seed seed of the order of examples and of dropout
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
                .freeze(group -> (settings.freezeRouter() && group.name().endsWith(".moe.gate"))
                        || (settings.freezeExperts() && group.name().endsWith(".moe.experts")));
        Double expertDropout = settings.expertDropout();
        if (expertDropout != null) {
            model.expertDropout(expertDropout);
        }
    }

    /** The linear head's parameters; null if the language model's output layer answers. */
    @Nullable
    Parameters head() {
        return head == null ? null : head.parameters();
    }

    /** The largest possible number of updates of one run. */
    static long updates(FineTuneData data, FineTuneSettings settings) {
        return (long) settings.epochs() * Math.ceilDiv(data.train().count(), settings.batch());
    }

    /**
     * Trains the model. May be called once.
     *
     * @param learningRate peak learning rate
     * @param progress receives the number of updates made so far
     */
    FineTuneRun run(double learningRate, LongConsumer progress) {
        long start = System.nanoTime();
        List<ScoringInput> inputs = examples(data.train()).stream()
                .flatMap(Optional::stream)
                .map(this::input)
                .toList();
        if (inputs.isEmpty()) {
            throw LinearHead.tooLong(data.train());
        }
        long perEpoch = Math.ceilDiv(inputs.size(), settings.batch());
        long allUpdates = perEpoch * settings.epochs();
        long warmUp = Math.round(settings.warmUp() * allUpdates);
        ScheduleConfig schedule = new ScheduleConfig(
                ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PLAIN, Math.min(warmUp, allUpdates - 1), 0, 0, 1);
        List<FineTuneResult.Epoch> epochs = new ArrayList<>();
        int bestEpoch = 0;
        double bestValidation = Double.NEGATIVE_INFINITY;
        boolean diverged = false;
        long update = 0;
        while (epochs.size() < settings.epochs() && epochs.size() - bestEpoch < settings.patience()) {
            double sum = 0;
            List<ScoringInput> shuffled = shuffled(inputs, epochs.size());
            for (int from = 0; from < shuffled.size(); from += settings.batch()) {
                List<ScoringInput> batch = shuffled.subList(from, Math.min(from + settings.batch(), shuffled.size()));
                update++;
                double loss = update(batch, update, schedule.rate(learningRate, update, allUpdates));
                sum += loss * batch.size();
                progress.accept(update);
            }
            if (!Double.isFinite(sum) || !parametersFinite()) {
                diverged = true;
                break;
            }
            double validation = mainFigure(data.validation());
            epochs.add(new FineTuneResult.Epoch(sum / inputs.size(), validation));
            if (validation > bestValidation) {
                bestValidation = validation;
                bestEpoch = epochs.size();
                saveBest();
            }
        }
        boolean usable = bestEpoch > 0;
        TaskRun test = new TaskRun(new double[0][], 0, 0);
        if (usable) {
            restoreBest();
            test = answers(data.test());
        }
        return new FineTuneRun(
                epochs, bestEpoch, usable ? bestValidation : 0, diverged, test, (System.nanoTime() - start) / 1e9);
    }

    private List<ScoringInput> shuffled(List<ScoringInput> inputs, int epoch) {
        List<ScoringInput> order = new ArrayList<>(inputs);
        Collections.shuffle(order, new Random(key.fold("order").fold(epoch).value()));
        return order;
    }

    private List<Optional<TrainingExample>> examples(Questions questions) {
        return questions.trainingExamples(tokenizer, model.config().context());
    }

    private ScoringInput input(TrainingExample example) {
        if (head != null) {
            return head.input(example);
        }
        return settings.head() == FineTuneSettings.Head.ANSWER
                ? ScoringInput.answer(example)
                : ScoringInput.choice(example);
    }

    private ScoreSection scores(ScoringBatch batch) {
        return head == null
                ? new ScoreSection(
                        model.output(),
                        null,
                        true,
                        batch,
                        model.parameters().precision().stable())
                : head.scores(batch);
    }

    private List<ScoringBatch> cut(List<ScoringInput> inputs) {
        return ScoringBatch.cut(
                inputs, settings.batchTokens(), head == null ? model.config().vocabulary() : 1);
    }

    /** The parameters of the model and, if present, of the linear head. */
    private List<Parameters> trained() {
        return head == null ? List.of(model.parameters()) : List.of(model.parameters(), head.parameters());
    }

    /** Makes one update. Returns the mean loss before it; NaN if the loss or the gradient is not finite. */
    private double update(List<ScoringInput> inputs, long number, double rate) {
        trained().forEach(Parameters::startGradients);
        List<ScoringBatch> microBatches = cut(inputs);
        long targets = microBatches.stream()
                .mapToLong(microBatch -> microBatch.tokens().predicted())
                .sum();
        double loss = 0;
        long sequence = 0;
        for (ScoringBatch microBatch : microBatches) {
            long[] sequences = new long[microBatch.tokens().sequences()];
            for (int i = 0; i < sequences.length; i++) {
                sequences[i] = sequence++;
            }
            try (Scope _ = Scope.open();
                    Tape tape = Tape.recording()) {
                LanguageModel.HiddenStates body = model.body(
                        tape, microBatch.tokens(), new PassContext(true, 1.0 / targets, key.fold(number), sequences));
                Value scores = tape.run(scores(microBatch), body.states());
                Value choiceLoss = tape.run(
                        new ChoiceLossSection(
                                microBatch, settings.head() == FineTuneSettings.Head.ANSWER, 1.0 / inputs.size()),
                        scores);
                loss += choiceLoss.tensor().item();
                List<Value> roots = new ArrayList<>(body.roots());
                roots.add(choiceLoss);
                tape.backward(roots.toArray(Value[]::new));
            }
        }
        trained().forEach(Parameters::finishGradients);
        model.balanceTracker().endStep();
        double norm = gradientNorm();
        if (!Double.isFinite(loss) || !Double.isFinite(norm)) {
            return Double.NaN;
        }
        trained().forEach(parameters -> optimizer.update(parameters, number, rate, norm, 1));
        return loss;
    }

    /** L2 norm of the gradient over the model and the head. */
    private double gradientNorm() {
        return Math.sqrt(trained().stream()
                .mapToDouble(AdamW::gradientNorm)
                .map(norm -> norm * norm)
                .sum());
    }

    private boolean parametersFinite() {
        try (Scope _ = Scope.open()) {
            return trained().stream()
                    .flatMap(parameters -> parameters.units().stream())
                    .allMatch(group -> group.master().allFinite());
        }
    }

    private double mainFigure(Questions questions) {
        return questions.result(List.of(answers(questions))).main().mean();
    }

    /** Scores questions with the current parameters. */
    private TaskRun answers(Questions questions) {
        return head == null
                ? TaskEvaluation.of(model, tokenizer)
                        .batchTokens(settings.batchTokens())
                        .run(questions, 0)
                : head.answers(questions, settings.batchTokens());
    }

    private List<ParameterGroup> parameterGroups() {
        return trained().stream()
                .flatMap(parameters -> parameters.units().stream())
                .toList();
    }

    private void saveBest() {
        best.close();
        best = Scope.detached();
        try (Scope _ = Scope.open()) {
            bestMasters = parameterGroups().stream()
                    .map(group -> best.keep(group.master().copy()))
                    .toList();
        }
    }

    private void restoreBest() {
        List<ParameterGroup> groups = parameterGroups();
        for (int i = 0; i < groups.size(); i++) {
            groups.get(i).master().copy(bestMasters.get(i));
        }
        trained().forEach(Parameters::refresh);
    }

    @Override
    public void close() {
        best.close();
        if (head != null) {
            head.close();
        }
    }
}
