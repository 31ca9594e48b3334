package dev.moe4j.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.cli.Run;
import dev.moe4j.cli.TinyCheckpoint;
import dev.moe4j.model.spec.RoutingConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class TasksCommandTest {

    /** A task whose questions fit into a context of 16 bytes. */
    private static final String NUMBERS = """
            about: what comes next
            splits: {train: [train.jsonl], test: [test.jsonl]}
            test: test
            examples: train
            layouts:
              - fields: {ask: "{ask}", options: "{options}", right: "{right}"}
            prompt: "{ask}"
            choices: ["{options}"]
            label: "{right}"
            """;

    @TempDir
    private Path temp;

    private Path run;
    private Path task;

    @BeforeEach
    void writeFiles() throws IOException {
        run = temp.resolve("run");
        TinyCheckpoint.write(run, 20, 4);
        task = Files.writeString(temp.resolve("next.yaml"), NUMBERS);
        Path folder = Files.createDirectory(temp.resolve("next"));
        Files.writeString(folder.resolve("test.jsonl"), records("1 2", "b c", "x y", "7 8"));
        Files.writeString(folder.resolve("train.jsonl"), records("a", "b", "c"));
    }

    private static String records(String... questions) {
        StringBuilder lines = new StringBuilder();
        for (String question : questions) {
            lines.append("{\"ask\":\"")
                    .append(question)
                    .append("\",\"options\":[\"3\",\"d\",\"zz\"],\"right\":")
                    .append(lines.length() % 3)
                    .append("}\n");
        }
        return lines.toString();
    }

    private Run tasks(Object... more) {
        List<String> args =
                new ArrayList<>(List.of("eval", "tasks", "--checkpoint", run.toString(), "--data", temp.toString()));
        for (Object arg : more) {
            args.add(arg.toString());
        }
        return Run.of(args.toArray(String[]::new));
    }

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    /**
     * Covers models trained with routing groups, in which sequences share expert capacity. Questions and generated
     * texts are routed separately.
     */
    @Test
    void modelsWithRoutingGroupsAreEvaluated() throws IOException {
        RoutingConfig groups = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 2, 1, 1, false, RoutingConfig.SecondExpert.ALL, false, true);
        TinyCheckpoint.write(run, 21, 4, groups);

        assertThat(json(tasks("--task", task, "--json"))
                        .path("tasks")
                        .get(0)
                        .path("questions")
                        .asInt())
                .isEqualTo(4);
        Run text = Run.of("generate", "--checkpoint", run.toString(), "--prompt=1 2", "--tokens=3");
        assertThat(text.code()).as(text.err()).isZero();
    }

    @Test
    void reportsTheResultAndTheMethod() {
        JsonNode json = json(tasks("--task", task, "--show=1", "--json"));

        JsonNode result = json.path("tasks").get(0);
        assertThat(result.path("task").asString()).isEqualTo("next");
        assertThat(result.path("questions").asInt()).isEqualTo(4);
        assertThat(result.path("runs").asInt()).isEqualTo(1);
        assertThat(result.path("shots").asInt()).isZero();
        assertThat(result.path("formulation").asString()).isEqualTo("{ask}⟦ {choice}⟧");
        assertThat(result.path("normalisation").asString()).isEqualTo("mean token log-probability");
        assertThat(result.path("begin").asString()).isEqualTo("the end-of-text token");
        JsonNode figure = result.path("figures").get(0);
        assertThat(figure.path("name").asString()).isEqualTo("accuracy");
        assertThat(figure.path("mean").asDouble() * 4 % 1).as("of 4 questions").isZero();
        assertThat(figure.path("deviation").isNull()).isTrue();
        assertThat(figure.path("low").asDouble())
                .isLessThanOrEqualTo(figure.path("mean").asDouble());
        assertThat(result.path("chance").asDouble()).isCloseTo(1 / 3.0, within(1e-12));
        assertThat(result.path("shown")
                        .get(0)
                        .path("candidates")
                        .get(2)
                        .path("text")
                        .asString())
                .isEqualTo("⟨end⟩1 2 ⟦zz⟧");
        assertThat(json.path("tokenizer").asString()).isEqualTo("bytes");
    }

    @Test
    void fewShotRunsAndTheBatchDoesNotMatter() {
        JsonNode few = json(tasks("--task", task, "--shots=1", "--runs=3", "--json"));
        JsonNode result = few.path("tasks").get(0);
        assertThat(result.path("runs").asInt()).isEqualTo(3);
        assertThat(result.path("examples").asString()).startsWith("train (");
        assertThat(result.path("figures").get(0).path("deviation").isNumber()).isTrue();
        JsonNode other = json(tasks("--task", task, "--shots=1", "--runs=3", "--json", "--batch-tokens=5"));
        assertThat(other.path("tasks")).isEqualTo(few.path("tasks"));
    }

    @Test
    void aTableForPeople() {
        Run table = tasks("--task", task, "--show=1", "--limit=2");
        assertThat(table.code()).as(table.err()).isZero();
        assertThat(table.out()).contains("⟨end⟩b c ⟦zz⟧", "next: split test of ", "{ask}⟦ {choice}⟧");
        assertThat(table.out()).containsPattern("next +0 +1 +2 +accuracy +\\d+\\.\\d +\\d+\\.\\d – \\d+\\.\\d +33\\.3");
        assertThat(table.err()).contains("tasks next 2/2 (100 %)");
    }

    @Test
    void listsTheTasksWithoutACheckpoint() {
        Run list = Run.of("eval", "tasks", "--list");
        assertThat(list.code()).isZero();
        assertThat(list.out().lines()).hasSize(31).anyMatch(line -> line.matches("hellaswag +which sentence .*"));
        JsonNode json = json(Run.of("eval", "tasks", "--list", "--json"));
        assertThat(json.path("tasks").size()).isEqualTo(31);
    }

    @Test
    void anInterruptedEvaluationResumes() throws IOException {
        Path results = temp.resolve("results.jsonl");
        JsonNode first = json(tasks("--task", task, "--shots=1", "--runs=3", "--json", "--results", results));
        assertThat(results).content().hasLineCount(3);

        String text = Files.readString(results);
        Files.writeString(results, text.substring(0, text.indexOf('\n') + 9));
        Run again = tasks("--task", task, "--shots=1", "--runs=3", "--json", "--results", results);

        assertThat(json(again).path("tasks")).isEqualTo(first.path("tasks"));
        assertThat(Files.readString(results)).isEqualTo(text);

        TinyCheckpoint.write(run, 30, 4);
        json(tasks("--task", task, "--shots=1", "--runs=3", "--json", "--results", results));
        assertThat(results).content().as("another checkpoint").hasLineCount(6);
    }

    @Test
    void bothWaysToScoreAreCompared() {
        JsonNode json = json(Run.of(
                "bench",
                "tasks",
                "--json",
                "--checkpoint=" + run,
                "--data=" + temp,
                "--task=" + task,
                "--shots=1",
                "--rounds=2"));
        assertThat(json.path("questions").asInt()).isEqualTo(4);
        assertThat(json.path("same").asBoolean()).isTrue();
        assertThat(json.path("speedup").asDouble())
                .isEqualTo(json.path("in_full_seconds").asDouble()
                        / json.path("shared_seconds").asDouble());
    }

    @Test
    void badInputIsReportedInOneLine() throws IOException {
        Run unknown = tasks("--task", "helaswag");
        assertThat(unknown.code()).isEqualTo(2);
        assertThat(unknown.err()).contains("no task is named helaswag; the nearest are hellaswag");
        assertFails(tasks("--task", "piqa"), "no file of the split validation of piqa is in " + temp);
        assertFails(tasks("--task", temp.resolve("none.yaml")), "none.yaml: no such file or folder");
        assertFails(tasks("--task", task, "--split=dev"), "the task next has no split dev; its splits are test, train");
        assertFails(tasks("--task", task, "--shots=9"), "next: 9 examples are asked for");
        assertFails(
                tasks("--task", task, "--results", temp.resolve("no/results.jsonl")),
                "results.jsonl: no such file or folder");
        Files.writeString(task, NUMBERS.replace("label:", "lable:"));
        assertFails(tasks("--task", task), "next.yaml:9: unknown key lable; did you mean label?");
        Files.writeString(task, NUMBERS);
        Path file = temp.resolve("next/test.jsonl");
        Files.writeString(file, records("1 2") + "{\n");
        assertFails(tasks("--task", task), "test.jsonl:2: not valid JSON");
        Files.writeString(file, "{\"ask\":\"1\",\"options\":[\"2\"]}\n");
        assertFails(tasks("--task", task), "test.jsonl:1: it has no right");
        Files.writeString(file, "{\"ask\":\"1\",\"options\":[\"" + "2".repeat(20) + "\"],\"right\":0}\n");
        assertFails(tasks("--task", task), "not one of 1 questions fits the model's context");
        assertFails(
                Run.of("eval", "tasks", "--checkpoint", run.toString(), "--data", file.toString(), "--task", "piqa"),
                "test.jsonl: no such folder");
    }

    /** A folder in Hugging Face's format does not name its tokenizer. */
    @Test
    void aFolderWithoutATokenizerNeedsOne() throws IOException {
        Path dense = TinyCheckpoint.write(temp.resolve("dense"), 1, 0);
        ObjectNode config = (ObjectNode) JsonMapper.shared().readTree(Files.readString(dense.resolve("config.json")));
        config.remove("moe4j");
        Files.writeString(dense.resolve("config.json"), config.toString());
        run = dense;

        assertFails(tasks("--task", task), "does not say which tokenizer its model was trained with; add --tokenizer");
        assertThat(json(tasks("--task", task, "--tokenizer=bytes", "--json"))
                        .path("tasks")
                        .size())
                .isEqualTo(1);
    }

    @Test
    void wrongUsageIsReported() {
        assertThat(tasks().code()).isEqualTo(2);
        assertThat(tasks("--task", task, "--runs=0").code()).isEqualTo(2);
        assertThat(tasks("--task", task, "--shots=-1").code()).isEqualTo(2);
        assertThat(Run.of("eval", "tasks", "--data", "x", "--task", "y").code()).isEqualTo(2);
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).doesNotContain("\tat ", "internal error");
        assertThat(run.err().lines().filter(line -> line.startsWith("moe4j: ")).toList())
                .singleElement()
                .asString()
                .contains(message);
    }
}
