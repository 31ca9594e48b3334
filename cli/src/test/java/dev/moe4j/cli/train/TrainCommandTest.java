package dev.moe4j.cli.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.cli.Main;
import dev.moe4j.cli.Run;
import dev.moe4j.cli.TinyCheckpoint;
import dev.moe4j.tensor.Libtorch;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Runs prepare, train, eval and generate like a user, with valid and invalid input. */
class TrainCommandTest {
    private static final String TEXT = "The quick brown fox jumps over the lazy dog. ";

    @TempDir
    private static Path common;

    private static Path text;
    private static Path shards;

    @TempDir
    private Path temp;

    @BeforeAll
    static void prepareText() throws IOException {
        text = Files.writeString(common.resolve("text.txt"), TEXT.repeat(200));
        shards = prepared(common.resolve("shards"), text, "bytes");
    }

    private static Path prepared(Path out, Path input, String tokenizer) {
        Run run = Run.of("prepare", "--tokenizer=" + tokenizer, "--out=" + out, input.toString());
        assertThat(run.code()).as(run.err()).isZero();
        return out;
    }

    private static String[] args(Path data, Path out, int steps, String... more) {
        List<String> args = new ArrayList<>(
                List.of("train", "--model=cpu-tiny-moe", "--data=" + data, "--steps=" + steps, "--out=" + out));
        args.addAll(List.of(more));
        return args.toArray(String[]::new);
    }

    private static Run train(Path data, Path out, int steps, String... more) {
        return Run.of(args(data, out, steps, more));
    }

    private static JsonNode json(Run run) {
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).hasLineCount(1);
        return JsonMapper.shared().readTree(run.out());
    }

    @Test
    void aTrainedModelContinuesItsTrainingText() {
        Path out = temp.resolve("run");
        JsonNode trained = json(train(shards, out, 60, "--set=precision=fp32", "--json"));

        assertThat(trained.propertyNames())
                .containsExactly(
                        "checkpoint",
                        "preset",
                        "precision",
                        "steps",
                        "tokens",
                        "loss",
                        "ppl",
                        "seconds",
                        "tokens_per_second",
                        "best");
        assertThat(trained.path("tokens").asLong()).isEqualTo(60 * 8 * 64);
        double loss = trained.path("loss").asDouble();
        assertThat(trained.path("ppl").asDouble()).isEqualTo(Math.exp(loss));

        JsonNode scored = scored(out, "--batch=8");
        assertThat(scored.path("ppl").asDouble()).isLessThan(257);
        // The text is the training text, and the last updates hardly change the model.
        assertThat(scored.path("loss").asDouble()).isCloseTo(loss, within(0.2));
        assertThat(scored(out, "--batch=3").path("loss").asDouble())
                .isCloseTo(scored.path("loss").asDouble(), within(1e-5));

        String first = generated(out, 7);
        assertThat(first).hasSizeGreaterThan(10).isEqualTo(generated(out, 7));
        assertThat(generated(out, 8)).isNotEqualTo(first);
    }

    private static JsonNode scored(Path out, String batch) {
        return json(Run.of("eval", "perplexity", "--checkpoint=" + out, "--data=" + text, batch, "--json"))
                .path("sets")
                .get(0);
    }

    private static String generated(Path out, int seed) {
        JsonNode json = json(Run.of(
                "generate", "--checkpoint=" + out, "--prompt=The quick", "--tokens=40", "--seed=" + seed, "--json"));
        return json.path("text").asString();
    }

    @Test
    void configurationKeysReachTheRun() throws IOException {
        Path out = temp.resolve("run");
        Run run =
                train(shards, out, 7, "--set", "precision=bf16", "--set", "model.dropout=0.25", "--set", "log.every=2");

        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("7 steps, 3,584 tokens in", "bf16): loss", "step-00000007");
        assertThat(run.err()).contains("train 7/7 (100 %), loss ");
        assertThat(Files.readString(out.resolve("config.yaml")))
                .contains("precision: bf16", "dropout: 0.25", "every: 2");
        assertThat(Files.readAllLines(out.resolve("metrics.jsonl")))
                .extracting(
                        line -> JsonMapper.shared().readTree(line).path("step").asInt())
                .containsExactly(2, 4, 6, 7);
        try (Stream<Path> files = Files.list(out)) {
            assertThat(files.map(Path::getFileName)
                            .map(Path::toString)
                            .filter(name -> !name.startsWith("events.out.tfevents.")))
                    .containsExactlyInAnyOrder(".lock", "config.yaml", "metrics.jsonl", "step-00000007");
        }
    }

    @Test
    void unknownNamesSuggestTheNearest() {
        Path out = temp.resolve("run");
        Run preset = Run.of("train", "--model=cpu-tiny-mo", "--data=" + shards, "--steps=1", "--out=" + out);
        assertWrongUsage(preset, "no preset is called 'cpu-tiny-mo'; the nearest are cpu-tiny-moe");
        assertWrongUsage(train(shards, out, 1, "--set=model.expert=3"), "model.experts");
        assertWrongUsage(train(shards, out, 1, "--set=optimiser.clip=3"), "optimizer");
        assertWrongUsage(train(shards, out, 1, "--set=precision=int4"), "precision 'int4' is unknown");
        assertWrongUsage(train(shards, out, 1, "--set=model.experts=many"), "model.experts");
        assertWrongUsage(train(shards, out, 1, "--set=model.dropout"), "expected key=value");
        assertWrongUsage(train(shards, out, 1, "--device=tpu"), "device 'tpu' is unknown");
        assertWrongUsage(train(shards, out, 0), "--steps must be at least 1");
        assertThat(Run.of("train", "--data=" + shards, "--steps=1", "--out=" + out)
                        .code())
                .isEqualTo(2);
        assertThat(train(shards, out, 1, "--step=2").code()).isEqualTo(2);
        assertThat(out).doesNotExist();
    }

    @Test
    void badDataIsReportedInOneLine() throws IOException {
        Path out = temp.resolve("run");
        assertFails(train(temp.resolve("none"), out, 1), "none");
        assertFails(train(Files.createDirectory(temp.resolve("hollow")), out, 1), "hollow");
        assertFails(train(text, out, 1), "text.txt");
        Path tiny = prepared(temp.resolve("tiny"), Files.writeString(temp.resolve("tiny.txt"), "Too short."), "bytes");
        assertFails(
                train(tiny, out, 1),
                "the text has 11 tokens, too few for one sequence of 64 and its targets; give more text or set "
                        + "a smaller model.context");
        assertFails(train(shards, out, 1, "--set=model.vocabulary=128"), "model.vocabulary: 128 is too small");
        Path damaged = prepared(temp.resolve("damaged"), text, "bytes");
        Files.write(damaged.resolve("train-00000-000.idx"), new byte[10]);
        assertFails(train(damaged, out, 1), "train-00000-000.idx");
        assertThat(out).doesNotExist();
    }

    @Test
    void invalidDataIsRejectedBeforeAnythingIsWritten() throws IOException {
        Path out = temp.resolve("data");
        Path binary = Files.write(temp.resolve("a.bin"), new byte[] {1, 0, 2, 0});
        Path latin = Files.write(temp.resolve("latin.txt"), "Größe".getBytes(StandardCharsets.ISO_8859_1));
        Path folder = Files.createDirectory(temp.resolve("folder"));
        Files.copy(binary, folder.resolve("a.bin"));
        for (Path bad : List.of(binary, latin, folder)) {
            assertFails(
                    Run.of("prepare", "--tokenizer=bytes", "--out=" + out, bad.toString()),
                    bad.getFileName().toString());
        }
        assertThat(out).doesNotExist();
    }

    @Test
    void anUnusableFolderIsReportedInOneLine() throws IOException {
        Path file = Files.writeString(temp.resolve("file"), "mine");
        assertFails(train(shards, file, 1), "file: it is a file; give a folder");
        assertFails(train(shards, file.resolve("run"), 1), "cannot write the run to");
        assertThat(file).hasContent("mine");

        Path out = temp.resolve("run");
        assertThat(train(shards, out, 1).code()).isZero();
        Run again = train(shards, out, 1);
        assertThat(again.code()).isEqualTo(2);
        assertThat(again.err())
                .startsWith("moe4j: " + out + " already holds a run; resume it, choose another folder or remove it"
                        + ": see --resume and --out");
    }

    @Test
    void aRefusedResumeNamesTheOptionThatAllowsIt() {
        Path out = temp.resolve("run");
        assertThat(train(shards, out, 1).code()).isZero();
        assertFails(
                train(shards, out, 2, "--resume"),
                "steps was 1 and is now 2; this would change the results: restore the old value, or "
                        + "allow the change of steps with --allow-change steps");
    }

    /** Nobody can create folders in /proc, not even root. */
    @Test
    @DisabledOnOs({OS.WINDOWS, OS.MAC})
    void anUnwritableFolderIsReportedInOneLine() {
        assertFails(train(shards, Path.of("/proc/moe4j/run"), 1), "cannot write the run to /proc/moe4j/run");
    }

    @Test
    void aNonFiniteLossEndsTheRunWithoutACheckpoint() throws IOException {
        Path out = temp.resolve("run");
        assertFails(
                train(shards, out, 20, "--set=precision=fp32", "--set=optimizer.learning_rate=1e30"),
                "lower optimizer.learning_rate");
        assertNoCheckpoint(out);
        assertFails(Run.of("generate", "--checkpoint=" + out, "--prompt=x"), "run");
    }

    @Test
    void aCheckpointWithNanIsReportedInOneLine() throws IOException {
        Path run = temp.resolve("run");
        Path weights = TinyCheckpoint.write(run, 1, 4).resolve("model.safetensors");
        byte[] bytes = Files.readAllBytes(weights);
        // The tensor data starts after the header, whose length is in the first bytes.
        int header = 8 + Byte.toUnsignedInt(bytes[0]) + (Byte.toUnsignedInt(bytes[1]) << 8);
        Arrays.fill(bytes, header, bytes.length, (byte) 0xff);
        Files.write(weights, bytes);

        assertFails(Run.of("eval", "perplexity", "--checkpoint=" + run, "--data=" + text), "is NaN");
        assertFails(Run.of("generate", "--checkpoint=" + run, "--prompt=x"), "logits are NaN");
    }

    @Test
    void aTokenizerLargerThanTheModelIsRejected() throws IOException {
        Path run = temp.resolve("run");
        Path config = TinyCheckpoint.write(run, 1, 0).resolve("config.json");
        ObjectNode json = (ObjectNode) JsonMapper.shared().readTree(Files.readString(config));
        ObjectNode tokenizer = (ObjectNode) json.path("moe4j").path("tokenizer");
        assertThat(tokenizer.path("vocabulary").asInt()).isEqualTo(257);
        tokenizer.put("vocabulary", 512);
        Files.writeString(config, json.toString());
        assertFails(
                Run.of("eval", "perplexity", "--checkpoint=" + run, "--data=" + text),
                "512 entries, more than the model's vocabulary of 264");
    }

    /** Limits the size of files to 500 KiB, like a disk that fills up during the checkpoint. */
    @Test
    @DisabledOnOs(OS.WINDOWS)
    void aFailedCheckpointLeavesNothing() throws IOException, InterruptedException {
        Libtorch.load(); // unpacks libtorch's files before the size limit applies
        Path out = temp.resolve("run");
        List<String> command = new ArrayList<>(List.of(
                "/bin/sh",
                "-c",
                "ulimit -f 1000 && exec \"$@\"",
                "sh",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        command.addAll(List.of(args(shards, out, 2, "--set=precision=fp32")));
        Process process = new ProcessBuilder(command)
                .redirectError(temp.resolve("err").toFile())
                .start();
        String stdout = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertFails(
                new Run(process.waitFor(), stdout, Files.readString(temp.resolve("err"))),
                "cannot write the checkpoint");
        assertNoCheckpoint(out);
    }

    private static void assertNoCheckpoint(Path run) throws IOException {
        try (Stream<Path> files = Files.list(run)) {
            assertThat(files.map(Path::getFileName)
                            .map(Path::toString)
                            .filter(name -> !name.startsWith("events.out.tfevents.")))
                    .containsExactlyInAnyOrder(".lock", "config.yaml", "metrics.jsonl");
        }
    }

    private static void assertWrongUsage(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        assertThat(run.out()).isEmpty();
        assertThat(run.err().lines())
                .satisfiesExactly(
                        line -> assertThat(line).startsWith("moe4j: ").contains(message),
                        line -> assertThat(line).isEqualTo("Try: moe4j train --help"));
    }

    private static void assertFails(Run run, String message) {
        assertThat(run.code()).as(run.err()).isEqualTo(1);
        assertThat(run.out()).isEmpty();
        List<String> lines = run.err()
                .lines()
                .filter(line -> Stream.of("train ", "train: ", "perplexity ", "prepare ")
                        .noneMatch(line::startsWith))
                .toList();
        assertThat(lines).singleElement().asString().startsWith("moe4j: ").contains(message);
    }
}
