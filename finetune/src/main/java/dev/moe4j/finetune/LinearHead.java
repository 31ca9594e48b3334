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
 * A linear layer on a model's last hidden state, which answers a task's questions in place of the language model's
 * output. Where all questions have the same candidates it has an output for each and reads the prompt; else it has one
 * output and reads each candidate's whole text.
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
        return new Parameter.Spec(name, shape, List.of(name), false, (part, _) -> part.zero(), decayed);
    }

    /**
     * A head of zeros: every answer is as good at first, and the first gradient is the data's alone.
     *
     * @param model stays its caller's to close
     * @throws FineTuneException if no question fits the model's context
     */
    static LinearHead zeros(LanguageModel model, Tokenizer tokenizer, Questions questions) {
        return new LinearHead(model, tokenizer, questions.task(), outputs(model, tokenizer, questions));
    }

    /**
     * The head that lies beside a fine-tuned model.
     *
     * @param folder of the model
     * @param model of that folder; stays its caller's to close
     * @param questions of the task that it was fine-tuned on
     * @throws FineTuneException if there is no head, it answers another kind of question, or no question fits the model's
     *     context
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
        if (!questions.task().classifies()) {
            return 1;
        }
        return questions.exercises(tokenizer, model.config().context()).stream()
                .flatMap(Optional::stream)
                .findFirst()
                .map(exercise -> exercise.candidates().size())
                .orElseThrow(() -> tooLong(questions));
    }

    static FineTuneException tooLong(Questions questions) {
        return new FineTuneException(questions.task() + ": not one question of " + questions.split()
                + " fits the model's context; take a model with a longer one");
    }

    Parameters parameters() {
        return parameters;
    }

    /** What the model reads of a question, and what of it this reads. */
    Sheet sheet(TrainingExample exercise) {
        return task.classifies()
                ? Sheet.classes(exercise)
                : Sheet.texts(exercise, model.config().context());
    }

    ScoreSection scores(SheetBatch batch) {
        return new ScoreSection(
                parameters.get(WEIGHT),
                parameters.get(BIAS),
                false,
                batch,
                model.parameters().precision().stable());
    }

    /**
     * Answers questions with the model as it is.
     *
     * @param batchTokens at a time; a matter of speed and memory
     */
    public TaskRun answers(Questions questions, int batchTokens) {
        List<Optional<TrainingExample>> exercises =
                questions.exercises(tokenizer, model.config().context());
        List<double[]> scores = new ArrayList<>(Collections.nCopies(exercises.size(), new double[0]));
        // Where experts have a capacity, a text's score would depend on its neighbours.
        boolean alone = model.config().experts() > 0
                && model.architecture().routing().strategy() == RoutingConfig.Strategy.CAPACITY;
        List<Sheet> sheets =
                exercises.stream().flatMap(Optional::stream).map(this::sheet).toList();
        List<double[]> given = alone
                ? sheets.stream()
                        .flatMap(sheet -> scores(List.of(sheet), batchTokens).stream())
                        .toList()
                : scores(sheets, batchTokens);
        int next = 0;
        for (int i = 0; i < exercises.size(); i++) {
            if (exercises.get(i).isPresent()) {
                scores.set(i, given.get(next++));
            }
        }
        return questions.run(scores);
    }

    /** Each sheet's scores, in the order of the sheets. */
    private List<double[]> scores(List<Sheet> sheets, int batchTokens) {
        IdentityHashMap<Sheet, double[]> known = new IdentityHashMap<>();
        for (SheetBatch batch : SheetBatch.cut(sheets, batchTokens, 1)) {
            try (Scope _ = Scope.open();
                    Tape tape = Tape.inference()) {
                LanguageModel.Body body = model.body(
                        tape,
                        batch.tokens(),
                        PassContext.evaluation(batch.tokens().sequences()));
                double[] all = tape.run(scores(batch), body.states()).tensor().toDoubles();
                int columns = batch.candidates();
                for (int i = 0; i < batch.sheets().size(); i++) {
                    Sheet sheet = batch.sheets().get(i);
                    known.put(sheet, Arrays.copyOfRange(all, i * columns, i * columns + sheet.candidates()));
                }
            }
        }
        return sheets.stream().map(known::get).toList();
    }

    @Override
    public void close() {
        parameters.close();
    }
}
