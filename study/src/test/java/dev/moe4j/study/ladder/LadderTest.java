package dev.moe4j.study.ladder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.moe4j.data.prepare.Adoption;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.eval.task.ResultCache;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyIndex;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.Limits;
import dev.moe4j.text.source.OnError;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests the plan of a ladder and the messages for invalid ladders. */
class LadderTest {

    private static final String LADDER = """
            data: {plays: {inputs: [corpus], tokenizer: bytes}}
            set: {model.layers: 2, model.width: 16, model.ffn: 32}
            models:
              - {name: dense, preset: cpu-tiny-dense}
              - {name: mixture, preset: cpu-tiny-moe, set: {model.experts: 4, model.expert_ffn: 16}}
            budgets: [4_096]
            seeds: [1, 2]
            evaluate:
              in_domain: {more: in.txt}
              out_of_domain: {other: out.txt}
              tasks: tasks
              zero_shot: {names: [copa], limit: 2}
            """;

    @TempDir
    private Path folder;

    @BeforeEach
    void writeData() throws IOException {
        Files.writeString(
                Files.createDirectories(folder.resolve("corpus")).resolve("a.txt"), "To be or not.\n\n".repeat(99));
        Files.writeString(folder.resolve("in.txt"), "That is the question.\n");
        Files.writeString(folder.resolve("out.txt"), "Kein Text.\n");
        writeTask("The man broke his toe.");
    }

    private void writeTask(String premise) throws IOException {
        Files.writeString(
                Files.createDirectories(folder.resolve("tasks/copa")).resolve("validation.jsonl"),
                """
                {"premise": "%s", "choice1": "He got a hole in his sock.", "choice2": "He dropped a hammer.", \
                "question": "cause", "label": 1, "idx": 0}
                """.formatted(premise));
    }

    private StudyPlan plan(String yaml) throws IOException {
        Path file = Files.writeString(folder.resolve("ladder.yaml"), yaml);
        return StudyPlan.of(Ladder.read(file), file, folder, folder.resolve("study"));
    }

    /** Kinds of steps that use no model and therefore no device. */
    private static final Set<Step.Kind> WITHOUT_DEVICE = EnumSet.of(Step.Kind.PREPARE, Step.Kind.OVERLAP);

    /** A new version of the scoring rules repeats evaluations but no training. */
    @Test
    void evaluationsDependOnTheVersionOfTheScoringRules() throws IOException {
        assertThat(plan(LADDER).steps())
                .filteredOn(step -> step.kind() != Step.Kind.PREPARE)
                .extracting(
                        Step::kind,
                        step -> step.identity().path("scoring_version").asInt())
                .contains(tuple(Step.Kind.TRAIN, 0), tuple(Step.Kind.PERPLEXITY, ResultCache.SCORING_VERSION))
                .doesNotContain(
                        tuple(Step.Kind.PERPLEXITY, 0), tuple(Step.Kind.TASKS, 0), tuple(Step.Kind.FINETUNE, 0));
    }

    @Test
    void theDeviceIsPartOfEveryStepAndItsName() throws IOException {
        StudyPlan onCpu = plan(LADDER);
        StudyPlan onGpu = plan("device: cuda:1\n" + LADDER);

        assertThat(onCpu.steps())
                .filteredOn(step -> !WITHOUT_DEVICE.contains(step.kind()))
                .isNotEmpty()
                .allSatisfy(step -> assertThat(step.command()).contains("--device=cpu"));
        assertThat(onGpu.steps())
                .filteredOn(step -> !WITHOUT_DEVICE.contains(step.kind()))
                .isNotEmpty()
                .allSatisfy(step -> {
                    assertThat(step.command()).contains("--device=cuda:1");
                    assertThat(step.identity().path("device").asString()).isEqualTo("cuda:1");
                });
        assertThat(onCpu.steps()).noneMatch(step -> step.identity().has("device"));
        assertThatThrownBy(() -> plan("device: gpu\n" + LADDER))
                .isInstanceOf(StudyException.class)
                .hasMessageContaining("device: gpu is unknown; use cpu, cuda or cuda:N");
    }

    /** A prepared text's manifest says how it was prepared. Evaluation texts must be prepared in the same way. */
    @Test
    void evaluationTextIsPreparedLikeThePreparedTrainingText() throws IOException {
        var _ = new Preparation(
                        Tokenizer.of("gpt2:300"),
                        TextInput.of(List.of(folder.resolve("corpus")))
                                .splitting(DocumentBoundary.PAPER)
                                .transform(TextTransform.COLLAPSE_SPACES)
                                .field("body")
                                .onError(OnError.SKIP)
                                .limits(Limits.DEFAULT.documentBytes(64L << 20)),
                        folder.resolve("shards"))
                .run();
        StudyPlan plan = plan(LADDER.replace("inputs: [corpus], tokenizer: bytes", "prepared: shards"));

        assertThat(plan.steps())
                .filteredOn(step -> step.kind() == Step.Kind.PREPARE)
                .hasSize(2)
                .allSatisfy(step -> {
                    assertThat(step.command())
                            .contains(
                                    "--tokenizer=gpt2:300",
                                    "--split=paper",
                                    "--collapse-spaces",
                                    "--format=text",
                                    "--field=body",
                                    "--on-error=skip",
                                    "--max-document=64");
                    assertThat(step.identity().path("options").toString()).contains("--field=body");
                });
        assertThat(plan.index("a machine").runs())
                .allSatisfy(run -> assertThat(run.tokenizer()).isEqualTo("gpt2:300"));
    }

    /** An adopted folder does not say how it was prepared, so evaluation texts use the default options. */
    @Test
    void evaluationTextForAdoptedDataUsesTheDefaults() throws IOException {
        Path shards = folder.resolve("shards");
        Tokenizer bytes = Tokenizer.of("bytes");
        var _ = new Preparation(bytes, TextInput.of(List.of(folder.resolve("corpus"))), shards).run();
        Files.delete(shards.resolve("manifest.json"));
        var _ = Adoption.adopt(bytes, shards);
        StudyPlan plan = plan(LADDER.replace("inputs: [corpus], tokenizer: bytes", "prepared: shards"));

        assertThat(plan.steps())
                .filteredOn(step -> step.kind() == Step.Kind.PREPARE)
                .hasSize(2)
                .allSatisfy(step -> {
                    assertThat(step.command()).noneMatch(word -> word.startsWith("--format"));
                    assertThat(step.identity().has("options")).isFalse();
                });
    }

    @Test
    void costsUseTheTrainedVocabulary() throws IOException {
        long own = plan(LADDER).index("").runs().getFirst().parametersTotal();
        long larger = plan(LADDER.replace("{model.layers: 2,", "{model.layers: 2, model.vocabulary: 512,"))
                .index("")
                .runs()
                .getFirst()
                .parametersTotal();

        assertThat(larger - own).isEqualTo((512 - 264) * 16);
        assertThatThrownBy(() -> plan(LADDER.replace("{model.layers: 2,", "{model.layers: 2, model.vocabulary: 64,")))
                .hasMessageContaining("model.vocabulary: 64 is too small");
    }

    @Test
    void theLargestBudgetIsFineTunedInAnyOrder() throws IOException {
        StudyPlan plan =
                plan(LADDER.replace("budgets: [4_096]", "budgets: [8_192, 4_096]") + "finetune: [{tasks: [copa]}]\n");

        assertThat(plan.index("").runs())
                .allSatisfy(
                        run -> assertThat(run.finetune()).hasSize(run.tokens() == 8_192 && run.seed() == 1 ? 1 : 0));
    }

    @ParameterizedTest
    @ValueSource(strings = {".yaml", ".yml"})
    void presetAndTaskFilesAreResolvedAgainstTheLaddersFolder(String ending) throws IOException {
        Path preset = Files.writeString(folder.resolve("own" + ending), "preset: cpu-tiny-dense\n");
        Path task = Files.writeString(folder.resolve("mine" + ending), """
                splits: {test: [mine.tsv]}
                test: test
                layouts: [{fields: {text: "{text}", right: "{right}"}}]
                prompt: "{text}"
                choices: ["no", "yes"]
                label: "{right}"
                """);
        Files.writeString(folder.resolve("tasks/mine.tsv"), "text\tright\nIs it?\t1\n");

        StudyPlan plan = plan(LADDER.replace("preset: cpu-tiny-dense", "preset: own" + ending)
                .replace("[copa]", "[mine" + ending + "]"));

        assertThat(plan.steps()).anySatisfy(step -> assertThat(step.command()).contains("--model=" + preset));
        assertThat(plan.steps())
                .filteredOn(step -> step.kind() == Step.Kind.TASKS)
                .hasSize(4)
                .allSatisfy(step -> assertThat(step.command()).contains("--task=" + task));
    }

    @Test
    void repeatedSeedsAndBudgetsAreRejected() {
        assertThatThrownBy(() -> plan(LADDER.replace("seeds: [1, 2]", "seeds: [1, 1]")))
                .isInstanceOf(StudyException.class)
                .hasMessageContaining("dense has a seed twice");
        assertThatThrownBy(() -> plan(LADDER.replace("budgets: [4_096]", "budgets: [4_096, 4_096]")))
                .isInstanceOf(StudyException.class)
                .hasMessageContaining("dense has a budget twice");
    }

    private Set<String> names(String yaml) throws IOException {
        return new HashSet<>(plan(yaml).steps().stream().map(Step::name).toList());
    }

    private static Set<String> difference(Set<String> a, Set<String> b) {
        Set<String> rest = new HashSet<>(a);
        rest.removeAll(b);
        return rest;
    }

    @Test
    void neighbouringModelsAreNextToEachOtherAndEachIsEvaluated() throws IOException {
        StudyPlan plan = plan(LADDER);

        assertThat(plan.steps())
                .filteredOn(step -> step.kind() == Step.Kind.TRAIN)
                .extracting(Step::title)
                .containsExactly(
                        "dense, 0.00410M tokens, seed 1",
                        "mixture, 0.00410M tokens, seed 1",
                        "dense, 0.00410M tokens, seed 2",
                        "mixture, 0.00410M tokens, seed 2");
        assertThat(plan.steps()).hasSize(3 + 4 + 4 + 4 + 1);
        StudyIndex index = plan.index("a machine");
        assertThat(index.runs()).hasSize(4);
        assertThat(index.runs().get(1).experts()).isEqualTo(4);
        assertThat(index.runs()).allSatisfy(run -> {
            assertThat(run.perplexity()).startsWith("perplexity-");
            assertThat(run.zeroShot()).startsWith("tasks-");
            assertThat(run.fewShot()).isNull();
        });
    }

    @Test
    void aStepsNameDependsOnlyOnItsInputs() throws IOException {
        Set<String> before = names(LADDER);
        assertThat(names(LADDER)).isEqualTo(before);

        // One model's learning rate changes its two runs, their perplexities and their tasks.
        Set<String> rate =
                names(LADDER.replace("model.expert_ffn: 16", "model.expert_ffn: 16, optimizer.learning_rate: 1e-3"));
        assertThat(difference(rate, before)).hasSize(6);
        assertThat(difference(before, rate)).hasSize(6);

        // The checkpoint interval changes no step, and a new model changes no step of other models.
        assertThat(names(LADDER.replace("model.layers: 2", "model.layers: 2, checkpoint.every: 7, log.every: 3")))
                .isEqualTo(before);
        Set<String> more =
                names(LADDER.replace("budgets:", "  - {name: third, preset: cpu-tiny-dense, seeds: [9]}\nbudgets:"));
        assertThat(more).containsAll(before).hasSize(before.size() + 3);

        // A limit of questions changes only the task steps.
        assertThat(difference(names(LADDER.replace("limit: 2", "limit: 1")), before))
                .hasSize(4)
                .allMatch(name -> name.startsWith("tasks-"));

        // A question's text changes only the task steps. A held-out text changes its preparation, the perplexities and
        // the overlap. The training text changes everything except the preparation of the held-out texts.
        writeTask("The woman broke her toe.");
        assertThat(difference(names(LADDER), before)).hasSize(4).allMatch(name -> name.startsWith("tasks-"));
        writeTask("The man broke his toe.");
        Files.writeString(folder.resolve("in.txt"), "Whether 'tis nobler.\n");
        assertThat(difference(names(LADDER), before)).hasSize(1 + 4 + 1).noneMatch(name -> name.startsWith("tasks-"));
        Files.writeString(folder.resolve("in.txt"), "That is the question.\n");
        Files.writeString(folder.resolve("corpus/a.txt"), "To sleep.\n\n".repeat(99));
        assertThat(difference(names(LADDER), before)).hasSize(1 + 4 + 4 + 4 + 1);
    }

    @Test
    void aFineTuningsNameDependsOnItsTrainingQuestions() throws IOException {
        String tuned = LADDER + "finetune: [{tasks: [copa]}]\n";
        Set<String> before = names(tuned);

        // A new split or a changed split changes the name.
        Path train = Files.writeString(folder.resolve("tasks/copa/train.jsonl"), "{\"premise\": \"It rained.\"}\n");
        Set<String> with = names(tuned);
        assertThat(difference(with, before)).hasSize(2).allMatch(name -> name.startsWith("finetune-"));
        Files.writeString(train, "{\"premise\": \"It snowed.\"}\n");
        assertThat(difference(names(tuned), with)).hasSize(2).allMatch(name -> name.startsWith("finetune-"));
    }

    @Test
    void errorsNameTheirPlace() {
        assertWrong("modles: []\n" + LADDER, "ladder.yaml:1", "modles", "models");
        assertWrong(LADDER.replace("limit: 2", "limti: 2"), "ladder.yaml:12", "evaluate.zero_shot.limti", "limit");
        assertWrong(LADDER.replace("[copa]", "[coba]"), "evaluate.zero_shot", "no task is named coba", "copa");
        assertWrong(LADDER.replace("in.txt", "inn.txt"), "evaluate: more", "inn.txt does not exist", "--data");
        assertWrong(LADDER.replace("[corpus]", "[korpus]"), "data.plays", "korpus does not exist");
        assertWrong(LADDER.replace("cpu-tiny-dense", "cpu-tiny-dens"), "cpu-tiny-dens", "cpu-tiny-dense");
        assertWrong(LADDER.replace("model.ffn", "model.fnn"), "model.fnn", "ffn");
        assertWrong(LADDER.replace("tokenizer: bytes", "tokenizer: byte"), "data.plays.tokenizer", "byte");
        assertWrong(LADDER.replace("name: mixture", "name: dense"), "two are named dense");
        assertWrong(LADDER.replace("budgets: [4_096]", ""), "dense has no budgets");
        assertWrong(LADDER.replace("other: out.txt", "more: out.txt"), "more is in_domain and out_of_domain");
        assertWrong(LADDER + "finetune: [{tasks: [copa], models: [mixtur]}]\n", "no model is named mixtur", "mixture");
        assertWrong(LADDER.replace("tasks: tasks", "tasks: taks"), "evaluate.tasks", "taks does not exist");
        assertWrong(
                LADDER.replace("model.layers: 2", "model.layers: 2, evaluation.every: 5, evaluation.patience: 2"),
                "models: dense: evaluation.patience 2",
                "before its budget",
                "set evaluation.patience to 0");
        assertWrong("title: x\n", "data names no text");
    }

    private void assertWrong(String yaml, String... parts) {
        assertThatThrownBy(() -> plan(yaml))
                .extracting(Throwable::getMessage)
                .asString()
                .contains(parts)
                .doesNotContain("\n");
    }

    @Test
    void taskFilesAreReadBeforeAnythingRuns() throws IOException {
        Files.writeString(folder.resolve("tasks/copa/validation.jsonl"), "{\"premise\": \"x\"}\n");

        assertThatThrownBy(() -> plan(LADDER)).hasMessageContaining("validation.jsonl");
        assertThat(List.of(folder.toFile().list())).doesNotContain("study");
    }
}
