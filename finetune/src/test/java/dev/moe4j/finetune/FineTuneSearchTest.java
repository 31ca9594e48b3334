package dev.moe4j.finetune;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskEvaluation;
import dev.moe4j.eval.task.TaskSettings;
import dev.moe4j.finetune.FineTuneSettings.Head;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.training.BpeTrainer;
import dev.moe4j.train.checkpoint.ModelFolders;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Uses a task that a tiny model learns in seconds: which half of the alphabet a word's letters come from. */
class FineTuneSearchTest {

    private static final Tokenizer TOKENIZER = Tokenizer.of("bytes");

    private static final String CLASSES = """
            about: which half of the alphabet
            splits: {train: [train.tsv], validation: [valid.tsv], test: [test.tsv]}
            test: test
            examples: train
            layouts:
              - fields: {word: "{word}", half: "{half}"}
            prompt: "{word}:"
            choices: [first, second]
            label: "{half}"
            """;

    /** The same data as a task whose candidates differ by question. */
    private static final String CHOICES = """
            about: which word is from the same half
            splits: {train: [train.tsv], validation: [valid.tsv], test: [test.tsv]}
            test: test
            examples: train
            layouts:
              - fields: {word: "{word}", half: "{half}", one: "{one}", two: "{two}"}
            prompt: "{word}:"
            choices: ["{one}", "{two}"]
            label: "{half}"
            scoring: {normalise: pmi, part: continuation, answer_prompt: ":"}
            """;

    private static final FineTuneSettings QUICK = new FineTuneSettings(
            Head.CHOICE, List.of(3e-3), List.of(1L), 2, 2, 16, 0.06, 0.1, null, false, false, true, 256);

    @TempDir
    private Path temp;

    @BeforeEach
    void writeFiles() throws IOException {
        Files.writeString(temp.resolve("train.tsv"), table(1, 160));
        Files.writeString(temp.resolve("valid.tsv"), table(2, 24));
        Files.writeString(temp.resolve("test.tsv"), table(3, 40));
        Files.writeString(temp.resolve("classes.yaml"), CLASSES);
        Files.writeString(temp.resolve("choices.yaml"), CHOICES);
        write("moe", 4);
    }

    private void write(String name, int experts) {
        write(name, experts, TOKENIZER);
    }

    private void write(String name, int experts, Tokenizer tokenizer) {
        Architecture architecture = new Architecture(
                new ModelConfig(2, 32, 4, 64, 264, 24, Activation.GELU, 0, 0, -1, experts, 2, 32, 0),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
        try (LanguageModel model =
                        LanguageModel.initialize(architecture, Precision.FP32, Device.CPU, new RandomKey(7));
                ModelFolders folders = ModelFolders.lock(temp.resolve("models"))) {
            folders.write(name, model, tokenizer, null);
        }
    }

    private static String table(int seed, int rows) {
        SplittableRandom random = new SplittableRandom(seed);
        return "word\thalf\tone\ttwo\n"
                + IntStream.range(0, rows)
                        .mapToObj(i -> {
                            int half = random.nextInt(2);
                            return word(random, half) + "\t" + half + "\t" + word(random, 0) + "\t" + word(random, 1);
                        })
                        .collect(Collectors.joining("\n"))
                + "\n";
    }

    private static String word(SplittableRandom random, int half) {
        return random.ints(2 + random.nextInt(3), 0, 6)
                .mapToObj(c -> String.valueOf((char) ('a' + 13 * half + c)))
                .collect(Collectors.joining());
    }

    private Task task(String name) {
        return Task.named(temp.resolve(name + ".yaml").toString()).getFirst();
    }

    private FineTuneData data(Task task) {
        return FineTuneData.read(
                task, temp, new FineTuneData.Splits(null, null, Integer.MAX_VALUE), TaskSettings.ZERO_SHOT);
    }

    private FineTuneResult search(String model, String task, FineTuneSettings settings, String out) {
        return search(model, task, settings, out, (_, _, _) -> {});
    }

    private FineTuneResult search(
            String model, String task, FineTuneSettings settings, String out, FineTuneSearch.Progress progress) {
        return search(model, TOKENIZER, task, settings, out, progress);
    }

    private FineTuneResult search(
            String model,
            Tokenizer tokenizer,
            String task,
            FineTuneSettings settings,
            String out,
            FineTuneSearch.Progress progress) {
        try (CheckpointReader checkpoint =
                CheckpointReader.open(temp.resolve("models").resolve(model))) {
            return new FineTuneSearch(checkpoint, tokenizer, Precision.FP32, Device.CPU, data(task(task)), settings)
                    .run(temp.resolve(out), progress);
        }
    }

    /** The answer head needs more epochs: it must learn the letters of the answers first. */
    private static FineTuneSettings with(Head head) {
        int epochs = head == Head.ANSWER ? 8 : 4;
        return new FineTuneSettings(
                head, List.of(4e-3), List.of(1L), epochs, epochs, 16, 0.06, 0.1, 0.2, false, false, false, 256);
    }

    @ParameterizedTest
    @EnumSource(Head.class)
    void everyHeadLearnsClasses(Head head) {
        FineTuneResult result = search("moe", "classes", with(head), "out");

        assertThat(result.zeroShot().mean()).isBetween(0.2, 0.8);
        assertThat(result.fineTuned().mean()).isGreaterThan(0.95);
        assertThat(result.fineTuned().low()).isGreaterThan(result.zeroShot().high());
        assertThat(result.chance()).isEqualTo(0.5);
        assertThat(result.head()).isEqualToIgnoringCase(head.name());
        FineTuneResult.Run run = result.runs().getFirst();
        assertThat(run.epochs().getLast().loss())
                .isLessThan(run.epochs().getFirst().loss());
        assertThat(run.test()).isEqualTo(result.fineTuned().mean());
        assertThat(result.model().resolve("tokenizer.json")).exists();
        assertThat(result.model().resolve("tokenizer_config.json")).exists();
        assertThat(Files.exists(result.model().resolve(ModelFolders.HEAD_FILE))).isEqualTo(head == Head.LINEAR);
    }

    @ParameterizedTest
    @EnumSource(names = {"CHOICE", "LINEAR"})
    void headsLearnCandidatesThatDifferByQuestion(Head head) {
        FineTuneSettings longer = new FineTuneSettings(
                head, List.of(4e-3), List.of(1L), 8, 8, 16, 0.06, 0, null, false, false, true, 256);
        FineTuneResult result = search("moe", "choices", longer, "out");
        assertThat(result.fineTuned().mean()).isGreaterThan(0.8);
    }

    @Test
    void theWrittenModelReproducesItsScore() {
        FineTuneResult result = search("moe", "classes", QUICK, "out");

        try (CheckpointReader reader = CheckpointReader.open(result.model());
                LanguageModel model = reader.model(Precision.FP32, Device.CPU)) {
            Questions test = Questions.read(task("classes"), temp, TaskSettings.ZERO_SHOT);
            assertThat(TaskEvaluation.of(model, TOKENIZER).score(test).main().mean())
                    .isEqualTo(result.fineTuned().mean());
            assertThat(reader.tokenizer()).isNotNull();
        }
    }

    @Test
    void aTokenizerFileIsCopiedToTheModel() {
        Path file = temp.resolve("letters.json");
        new BpeTrainer(260, TextInput.of(List.of(temp.resolve("train.tsv"))))
                .run()
                .write(file, false);
        Tokenizer letters = Tokenizer.of(file.toString());
        write("letters", 4, letters);

        FineTuneResult result = search("letters", letters, "classes", QUICK, "out", (_, _, _) -> {});

        for (Path model : List.of(temp.resolve("models/letters"), result.model())) {
            try (CheckpointReader reader = CheckpointReader.open(model)) {
                String name = Objects.requireNonNull(reader.tokenizer()).name();
                assertThat(Tokenizer.of(name, model).hash()).isEqualTo(letters.hash());
            }
        }
    }

    @Test
    void theLearningRateHasTheBestMeanValidationFigure() {
        FineTuneSettings grid = new FineTuneSettings(
                Head.LINEAR, List.of(1e-7, 3e-3), List.of(1L, 2L), 3, 3, 16, 0.06, 0.1, null, false, false, true, 256);
        FineTuneResult result = search("moe", "classes", grid, "out");

        assertThat(result.runs()).hasSize(4);
        assertThat(result.learningRate()).isEqualTo(3e-3);
        assertThat(result.search().get(0).validation())
                .isLessThan(result.search().get(1).validation());
        double first = result.runs().get(2).validation();
        double second = result.runs().get(3).validation();
        assertThat(result.search().get(1).validation()).isCloseTo((first + second) / 2, within(1e-12));
        assertThat(result.search().get(1).validationDeviation())
                .isCloseTo(Math.abs(first - second) / Math.sqrt(2), within(1e-12));
        double a = Objects.requireNonNull(result.runs().get(2).test());
        double b = Objects.requireNonNull(result.runs().get(3).test());
        assertThat(result.fineTuned().mean()).isCloseTo((a + b) / 2, within(1e-12));
        assertThat(result.fineTuned().deviation()).isCloseTo(Math.abs(a - b) / Math.sqrt(2), within(1e-12));
        assertThat(result.seed()).isEqualTo(second > first ? 2 : 1);
    }

    @Test
    void frozenParametersDoNotChange() {
        FineTuneSettings frozen = new FineTuneSettings(
                Head.CHOICE, List.of(3e-3), List.of(1L), 1, 1, 16, 0, 0.1, null, true, true, true, 256);
        FineTuneResult result = search("moe", "classes", frozen, "out");

        try (CheckpointReader before = CheckpointReader.open(temp.resolve("models/moe"));
                CheckpointReader after = CheckpointReader.open(result.model());
                LanguageModel old = before.model(Precision.FP32, Device.CPU);
                LanguageModel tuned = after.model(Precision.FP32, Device.CPU)) {
            for (Parameter parameter : old.parameters().all()) {
                double[] now = tuned.parameters().get(parameter.name()).master().toDoubles();
                boolean same = Arrays.equals(parameter.master().toDoubles(), now);
                assertThat(same).as(parameter.name()).isEqualTo(parameter.name().contains(".moe."));
            }
        }
    }

    @Test
    void anInterruptedSearchResumesToTheSameResult() throws IOException {
        FineTuneSettings grid = new FineTuneSettings(
                Head.LINEAR, List.of(1e-3, 3e-3), List.of(1L, 2L), 2, 2, 16, 0, 0.1, null, false, false, true, 256);
        FineTuneResult whole = search("moe", "classes", grid, "whole");

        assertThatThrownBy(() -> search("moe", "classes", grid, "out", (done, total, _) -> {
                    if (done > total * 0.6) {
                        throw new IllegalStateException("killed");
                    }
                }))
                .hasMessage("killed");
        assertThat(temp.resolve("out/runs.jsonl"))
                .content()
                .as("zero-shot and two runs")
                .hasLineCount(3);
        FineTuneResult resumed = search("moe", "classes", grid, "out");
        assertThat(figures(resumed)).isEqualTo(figures(whole));
        assertThat(resumed.model().getFileName()).isEqualTo(whole.model().getFileName());

        List<Long> reported = new ArrayList<>();
        FineTuneResult again = search("moe", "classes", grid, "out", (done, _, _) -> reported.add(done));
        assertThat(again).as("no run is repeated, so the seconds are the same").isEqualTo(resumed);
        assertThat(reported).as("progress reports the cached runs").hasSize(4);

        FineTuneResult wider = search(
                "moe",
                "classes",
                new FineTuneSettings(
                        Head.LINEAR,
                        List.of(1e-3, 3e-3, 1e-2),
                        List.of(1L, 2L),
                        2,
                        2,
                        16,
                        0,
                        0.1,
                        null,
                        false,
                        false,
                        true,
                        256),
                "out");
        assertThat(wider.runs().subList(0, 4)).isEqualTo(resumed.runs());
    }

    private static List<Object> figures(FineTuneResult result) {
        List<Object> figures = new ArrayList<>(List.of(result.zeroShot(), result.fineTuned(), result.search()));
        for (FineTuneResult.Run run : result.runs()) {
            figures.add(run.epochs());
        }
        return figures;
    }

    @Test
    void aDivergedRunIsReportedAndNotChosen() {
        FineTuneSettings grid = new FineTuneSettings(
                Head.LINEAR, List.of(1e38, 3e-3), List.of(1L), 3, 3, 16, 0, 0.1, null, false, false, true, 256);
        FineTuneResult result = search("moe", "classes", grid, "out");
        assertThat(result.runs().getFirst().diverged()).isTrue();
        assertThat(result.search().getFirst().diverged()).isEqualTo(1);
        assertThat(result.learningRate()).isEqualTo(3e-3);

        FineTuneSettings hopeless = new FineTuneSettings(
                Head.LINEAR, List.of(1e38), List.of(1L), 3, 3, 16, 0, 0.1, null, false, false, true, 256);
        assertThatThrownBy(() -> search("moe", "classes", hopeless, "out"))
                .isInstanceOf(FineTuneException.class)
                .hasMessageContaining("diverged with some seed; give smaller ones");
    }

    @Test
    void withoutAValidationSplitATenthIsHeldOut() throws IOException {
        Files.delete(temp.resolve("valid.tsv"));
        FineTuneData data = data(task("classes"));
        assertThat(data.heldOut()).isTrue();
        assertThat(data.train().count()).isEqualTo(144);
        assertThat(data.validation().count()).isEqualTo(16);
        assertThat(data(task("classes")).identity()).isEqualTo(data.identity());
    }

    @Test
    void badInputIsAClearError() throws IOException {
        write("dense", 0);
        FineTuneSettings frozen = new FineTuneSettings(
                Head.CHOICE, List.of(3e-3), List.of(1L), 1, 1, 16, 0, 0.1, null, true, false, true, 256);
        assertThatThrownBy(() -> search("dense", "classes", frozen, "out"))
                .hasMessageContaining("is dense: it has no router or experts to freeze");
        assertThatThrownBy(() -> FineTuneData.read(
                        task("classes"), temp, new FineTuneData.Splits("test", null, 10), TaskSettings.ZERO_SHOT))
                .isInstanceOf(FineTuneException.class)
                .hasMessageContaining("uses one split twice; name others with --train-split");
        Files.writeString(temp.resolve("none.yaml"), CLASSES.replace("examples: train\n", ""));
        assertThatThrownBy(() -> data(task("none")))
                .isInstanceOf(FineTuneException.class)
                .hasMessageContaining("the task none has no split to train on");
        Files.writeString(temp.resolve("exact.yaml"), CLASSES + "scoring: {measure: exact}\n");
        assertThatThrownBy(() -> search("moe", "exact", QUICK, "out")).hasMessageContaining("use --head answer");
        Files.writeString(temp.resolve("train.tsv"), "word\thalf\nab\t0\ncd\t\n");
        assertThatThrownBy(() -> data(task("classes")))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("train.tsv:3: its label \"\" is not one of 0, 1");
        Files.writeString(temp.resolve("train.tsv"), "word\thalf\n" + "a".repeat(40) + "\t0\n");
        Files.writeString(temp.resolve("test.tsv"), "word\thalf\nab\t0\n");
        Files.writeString(
                temp.resolve("long.yaml"), CLASSES.replace("[first, second]", "[f, \"" + "s".repeat(40) + "\"]"));
        assertThatThrownBy(() -> search("moe", "long", QUICK, "out"))
                .hasMessageContaining("fits the model's context; use a model with a longer context");
        Files.delete(temp.resolve("train.tsv"));
        assertThatThrownBy(() -> data(task("classes")))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("no file of the split train of classes is in");
        assertThatThrownBy(() -> new FineTuneSettings(
                        Head.CHOICE, List.of(0.0), List.of(1L), 1, 1, 1, 0, 0, null, false, false, true, 1))
                .hasMessageContaining("each must be above 0");
    }
}
