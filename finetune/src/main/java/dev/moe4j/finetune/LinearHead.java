package dev.moe4j.finetune;

import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskRun;
import dev.moe4j.eval.task.TrainingExample;
import dev.moe4j.formats.safetensors.SafetensorsFile;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.checkpoint.CheckpointTensors;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.checkpoint.ModelFolders;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;

/**
 * A linear layer on a model's last hidden state that answers a task's questions instead of the language model's output
 * layer. For a classification task, where all questions have the same candidates, it has one output per candidate and
 * reads the prompt. For any other task it has one output and reads each candidate's full sequence.
 */
public final class LinearHead implements AutoCloseable {

    private static final String WEIGHT = "head.weight";
    private static final String BIAS = "head.bias";

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Task task;
    private final Parameters parameters;

    private LinearHead(LanguageModel model, Tokenizer tokenizer, Task task, long outputs) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.task = task;
        this.parameters = Scope.owner(scope -> parameters(model, outputs, scope));
    }

    private static Parameters parameters(LanguageModel model, long outputs, Scope scope) {
        Parameters parameters = new Parameters(model.parameters().precision(), model.device(), scope);
        parameters.add(
                "head",
                List.of(
                        spec(WEIGHT, List.of(outputs, (long) model.config().width()), true),
                        spec(BIAS, List.of(outputs), false)),
                model.parameters().precision().computingInMaster());
        return parameters;
    }

    private static Parameter.Spec spec(String name, List<Long> shape, boolean decayed) {
        return Parameter.Spec.of(name, shape, (part, _) -> part.zero(), decayed);
    }

    /**
     * A head initialized with zeros. All answers start with equal scores, so the first gradient depends only on the data.
     *
     * @param model the model whose hidden states are read; the caller closes it
     * @throws FineTuneException if no question fits the model's context
     */
    static LinearHead zeros(LanguageModel model, Tokenizer tokenizer, Questions questions) {
        return new LinearHead(model, tokenizer, questions.task(), outputs(model, tokenizer, questions));
    }

    /**
     * Reads the head that was stored with a fine-tuned model.
     *
     * @param folder the model's folder
     * @param model the model in that folder; the caller closes it
     * @param tokenizer the model's tokenizer
     * @param questions questions of the task that the head was fine-tuned on
     * @throws FineTuneException if the folder lacks a head, its number of outputs does not match the task, or no question
     *     fits the model's context
     */
    public static LinearHead read(Path folder, LanguageModel model, Tokenizer tokenizer, Questions questions) {
        Path path = folder.resolve(ModelFolders.HEAD_FILE);
        if (!Files.exists(path)) {
            throw new FineTuneException(path + " does not exist; give a model of `finetune --head linear`");
        }
        LinearHead head = zeros(model, tokenizer, questions);
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            long[] shape = file.entry(WEIGHT).shape();
            long outputs = head.parameters.get(WEIGHT).spec().shape().getFirst();
            if (shape.length == 2 && shape[0] != outputs) {
                throw new FineTuneException(file.path() + " has an output for each of " + shape[0] + " answers, and "
                        + questions.task() + " asks for " + outputs
                        + "; give the task that the model was fine-tuned on");
            }
            CheckpointTensors.read(file, head.parameters, ParameterGroup::master, "");
            head.parameters.refresh();
            return head;
        } catch (RuntimeException e) {
            head.close();
            throw e;
        }
    }

    private static long outputs(LanguageModel model, Tokenizer tokenizer, Questions questions) {
        if (!questions.task().isClassification()) {
            return 1;
        }
        return questions.trainingExamples(tokenizer, model.config().context()).stream()
                .flatMap(Optional::stream)
                .findFirst()
                .map(example -> example.candidates().size())
                .orElseThrow(() -> tooLong(questions));
    }

    static FineTuneException tooLong(Questions questions) {
        return new FineTuneException(questions.task() + ": not one question of " + questions.split()
                + " fits the model's context; use a model with a longer context");
    }

    Parameters parameters() {
        return parameters;
    }

    /** The example in the form that this head scores. */
    ScoringInput input(TrainingExample example) {
        return task.isClassification()
                ? ScoringInput.classes(example)
                : ScoringInput.candidates(example, model.config().context());
    }

    ScoreSection scores(ScoringBatch batch) {
        return new ScoreSection(
                parameters.get(WEIGHT),
                parameters.get(BIAS),
                false,
                batch,
                model.parameters().precision().stable());
    }

    /**
     * Scores questions with the model and this head, without training them.
     *
     * @param questions the questions; those that do not fit the context are left out
     * @param batchTokens most tokens of a micro-batch; affects speed and memory only
     */
    public TaskRun answers(Questions questions, int batchTokens) {
        List<Optional<TrainingExample>> examples =
                questions.trainingExamples(tokenizer, model.config().context());
        List<double[]> scores = new ArrayList<>(Collections.nCopies(examples.size(), new double[0]));
        // With a capacity factor, tokens of one sequence compete with those of its neighbours: score each input alone.
        boolean alone = model.config().experts() > 0
                && model.architecture().routing().strategy() == RoutingConfig.Strategy.CAPACITY;
        List<ScoringInput> inputs =
                examples.stream().flatMap(Optional::stream).map(this::input).toList();
        List<double[]> given = alone
                ? inputs.stream()
                        .flatMap(input -> scores(List.of(input), batchTokens).stream())
                        .toList()
                : scores(inputs, batchTokens);
        int next = 0;
        for (int i = 0; i < examples.size(); i++) {
            if (examples.get(i).isPresent()) {
                scores.set(i, given.get(next++));
            }
        }
        return questions.run(scores);
    }

    /** Each input's candidate scores, in the order of {@code inputs}. */
    private List<double[]> scores(List<ScoringInput> inputs, int batchTokens) {
        IdentityHashMap<ScoringInput, double[]> known = new IdentityHashMap<>();
        for (ScoringBatch batch : ScoringBatch.cut(inputs, batchTokens, 1)) {
            try (Scope _ = Scope.open();
                    Tape tape = Tape.inference()) {
                LanguageModel.HiddenStates body = model.body(
                        tape,
                        batch.tokens(),
                        PassContext.evaluation(batch.tokens().sequences()));
                double[] all = tape.run(scores(batch), body.states()).tensor().toDoubles();
                int columns = batch.candidates();
                for (int i = 0; i < batch.inputs().size(); i++) {
                    ScoringInput input = batch.inputs().get(i);
                    known.put(input, Arrays.copyOfRange(all, i * columns, i * columns + input.candidates()));
                }
            }
        }
        return inputs.stream().map(known::get).toList();
    }

    @Override
    public void close() {
        parameters.close();
    }
}
