package dev.moe4j.cli.eval;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.cli.Run;
import dev.moe4j.cli.TinyCheckpoint;
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

class FinetuneCommandTest {

    /** A task whose questions fit into a context of 16 bytes. */
    private static final String SIGN = """
            about: whether it is good
            splits: {train: [train.jsonl], test: [test.jsonl]}
            test: test
            examples: train
            layouts:
              - fields: {text: "{text}", good: "{good}"}
            prompt: "{text}"
            choices: ["no", "yes"]
            label: "{good}"
            """;

    @TempDir
    private Path temp;

    private Path run;
    private Path task;

    @BeforeEach
    void writeFiles() throws IOException {
        run = temp.resolve("run");
        TinyCheckpoint.write(run, 20, 4);
        task = Files.writeString(temp.resolve("sign.yaml"), SIGN);
        Files.writeString(temp.resolve("train.jsonl"), records(20));
        Files.writeString(temp.resolve("test.jsonl"), records(6));
    }

    private static String records(int count) {
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < count; i++) {
            lines.append("{\"text\":\"").append(i % 2 == 0 ? "bad" : "fine").append("\",\"good\":");
            lines.append(i % 2).append("}\n");
        }
        return lines.toString();
    }

    private Run finetune(Object... more) {
        List<String> args = new ArrayList<>(List.of(
                "finetune",
                "--checkpoint=" + run,
                "--data=" + temp,
                "--out=" + temp.resolve("out"),
                "--epochs=2",
                "--seed=1"));
        for (Object arg : more) {
            args.add(arg.toString());
        }
        return Run.of(args.toArray(String[]::new));
    }

    @Test
    void printsAndSavesTheResult() throws IOException {
        Run first = finetune(
                "--task",
                task,
                "--learning-rate",
                "1e-3",
                "1e-2",
                "--no-balance-loss",
                "--expert-dropout=0.2",
                "--batch=4",
                "--json");
        assertThat(first.code()).as(first.err()).isZero();
        assertThat(first.out()).hasLineCount(1);
        assertThat(first.err()).contains("finetune 20/20 (100 %), learning rate 0.01, seed 1");
        JsonNode json = JsonMapper.shared().readTree(first.out());
        assertThat(JsonMapper.shared().readTree(Files.readString(temp.resolve("out/result.json"))))
                .isEqualTo(json);
        assertThat(json.path("task").asString()).isEqualTo("sign");
        assertThat(json.path("head").asString()).isEqualTo("choice");
        assertThat(json.path("train").path("questions").asInt()).isEqualTo(18);
        assertThat(json.path("validation").path("held_out").asBoolean()).isTrue();
        assertThat(json.path("runs").size()).isEqualTo(2);
        assertThat(json.path("search").get(1).path("learning_rate").asDouble()).isEqualTo(1e-2);
        assertThat(json.path("zero_shot").path("mean").isNumber()).isTrue();
        assertThat(json.path("fine_tuned").path("deviation").isNull())
                .as("a single seed")
                .isTrue();

        Run eval = Run.of(
                "eval",
                "tasks",
                "--checkpoint=" + json.path("model").asString(),
                "--data=" + temp,
                "--task=" + task,
                "--json");
        assertThat(eval.code()).as(eval.err()).isZero();
        assertThat(JsonMapper.shared()
                        .readTree(eval.out())
                        .path("tasks")
                        .get(0)
                        .path("figures")
                        .get(0)
                        .path("mean"))
                .isEqualTo(json.path("fine_tuned").path("mean"));

        Run table = finetune(
                "--task",
                task,
                "--learning-rate",
                "1e-3",
                "1e-2",
                "--no-balance-loss",
                "--expert-dropout=0.2",
                "--batch=4");
        assertThat(table.out())
                .contains("18 training examples (train), 2 validation questions (train, held out), 6 scored "
                        + "questions (test)")
                .containsPattern("zero-shot +\\d+\\.\\d +\\d+\\.\\d – \\d+\\.\\d")
                .containsPattern("fine-tuned, learning rate 0\\.0\\d+ +\\d+\\.\\d")
                .contains(json.path("model").asString());
        assertThat(temp.resolve("out/runs.jsonl")).content().hasLineCount(3);
    }

    @Test
    void evaluationUsesASavedLinearHead() throws IOException {
        Run tuned = finetune("--task", task, "--head=linear", "--learning-rate", "1e-2", "--batch=4", "--json");
        assertThat(tuned.code()).as(tuned.err()).isZero();
        JsonNode json = JsonMapper.shared().readTree(tuned.out());
        String[] eval = {
            "eval",
            "tasks",
            "--checkpoint=" + json.path("model").asString(),
            "--data=" + temp,
            "--task=" + task,
            "--linear-head",
            "--json"
        };
        Run scored = Run.of(eval);
        assertThat(scored.code()).as(scored.err()).isZero();
        JsonNode result =
                JsonMapper.shared().readTree(scored.out()).path("tasks").get(0);
        assertThat(result.path("figures").get(0).path("mean"))
                .isEqualTo(json.path("fine_tuned").path("mean"));

        Files.writeString(task, SIGN.replace("[\"no\", \"yes\"]", "[\"no\", \"yes\", \"so\"]"));
        assertFails(Run.of(eval), "has an output for each of 2 answers, and sign asks for 3");
        eval[2] = "--checkpoint=" + run;
        assertFails(Run.of(eval), "head.safetensors does not exist");
        assertThat(Run.of("eval", "tasks", "--checkpoint=x", "--data=y", "--task=z", "--linear-head", "--shots=1")
                        .code())
                .isEqualTo(2);
    }

    @Test
    void badInputIsReportedInOneLine() throws IOException {
        assertWrongUsage(finetune("--task", "sst"), "no task is named sst; the nearest are sst2");
        assertWrongUsage(
                finetune("--task", task, "--head=cubic"), "--head cubic is unknown: use choice, answer or linear");
        assertFails(finetune("--task", task, "--train-split=dev"), "has no split dev; its splits are test, train");
        assertWrongUsage(finetune("--task", task, "--learning-rate=-1"), "each must be above 0");
        assertFails(finetune("--task", task, "--precision=fp16"), "fine-tuning does not scale its loss");
        assertThat(finetune("--task", task, "--epochs=0").code()).isEqualTo(2);
        Files.writeString(temp.resolve("train.jsonl"), "{\"text\":\"a\"}\n");
        assertFails(finetune("--task", task), "train.jsonl:1: it has no good");
        Files.delete(temp.resolve("train.jsonl"));
        assertFails(finetune("--task", task), "no file of the split train of sign is in");

        Files.writeString(temp.resolve("train.jsonl"), records(20));
        Path dense = TinyCheckpoint.write(temp.resolve("dense"), 1, 0);
        ObjectNode config = (ObjectNode) JsonMapper.shared().readTree(Files.readString(dense.resolve("config.json")));
        config.remove("moe4j");
        Files.writeString(dense.resolve("config.json"), config.toString());
        run = dense;
        assertFails(finetune("--task", task), "does not say which tokenizer its model was trained with");
    }

    private static void assertWrongUsage(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.err()).startsWith("moe4j: ").contains(message).endsWith("Try: moe4j finetune --help\n");
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
