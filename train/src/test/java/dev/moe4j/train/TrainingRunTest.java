package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.config.ConfigException;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.TrainingListener;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class TrainingRunTest {

    private static final JsonMapper JSON = new JsonMapper();

    @TempDir
    private Path folder;

    private Path data;

    @BeforeEach
    void prepareText() throws IOException {
        Path text = folder.resolve("text.txt");
        Files.writeString(text, "To be, or not to be, that is the question. ".repeat(200));
        data = folder.resolve("data");
        Preparation.Result prepared = new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), data).run();
        assertThat(prepared.manifest().splits()).containsKey(Shards.TRAIN);
    }

    private TrainingRun.Outcome train(String out, int steps, String... overrides) {
        List<String> list = Stream.concat(Stream.of("precision=fp32", "log.every=5"), Stream.of(overrides))
                .toList();
        try (Shards shards = Shards.open(data)) {
            return new TrainingRun(RunConfig.read("cpu-tiny-moe", list), shards, folder.resolve(out), steps, Device.CPU)
                    .run();
        }
    }

    @Test
    void writesMetricsConfigurationAndACheckpoint() throws IOException {
        TrainingRun.Outcome outcome = train("run", 20);
        assertThat(outcome.checkpoint()).hasFileName("step-00000020").isDirectory();
        assertThat(outcome.tokens()).isEqualTo(20 * 8 * 64);
        assertThat(outcome.loss()).isLessThan(4.5);
        try (Stream<Path> files = Files.list(folder.resolve("run"))) {
            assertThat(files.filter(file -> file.getFileName().toString().startsWith("events.out.tfevents.")))
                    .singleElement()
                    .satisfies(file -> assertThat(Files.readString(file, StandardCharsets.ISO_8859_1))
                            .contains("train/grad_norm", "experts/gate_loss", "time/tokens_per_second"));
        }

        List<String> lines = Files.readAllLines(folder.resolve("run/metrics.jsonl"));
        assertThat(lines).hasSize(4);
        JsonNode last = JSON.readTree(lines.getLast());
        assertThat(last.path("step").asInt()).isEqualTo(20);
        assertThat(last.path("tokens").asLong()).isEqualTo(outcome.tokens());
        assertThat(last.path("ppl").asDouble())
                .isCloseTo(Math.exp(last.path("loss").asDouble()), within(1e-9));
        for (String name : List.of(
                "gate_loss",
                "lr",
                "grad_norm",
                "tokens_per_second",
                "model_flops_utilization",
                "overflow_expert1",
                "expert1_balance_top",
                "unused_expert1_count",
                "entropy_gating")) {
            assertThat(last.path(name).isNumber()).as(name).isTrue();
        }
        RunConfig written =
                ConfigReader.read(RunConfig.preset("cpu-tiny-moe"), folder.resolve("run/config.yaml"), List.of());
        assertThat(written).isEqualTo(outcome.config());
        // 257 entries, padded.
        assertThat(written.model().vocabulary()).isEqualTo(264);
    }

    @Test
    void theCheckpointHoldsTheModel() {
        TrainingRun.Outcome outcome = train("run", 3);
        assertThat(Tokenizer.of(outcome.checkpoint().toString()).encode("To be"))
                .isEqualTo(Tokenizer.of("bytes").encode("To be"));
        assertThat(outcome.checkpoint().resolve("tokenizer_config.json"))
                .content()
                .contains("\"eos_token\" : \"<|endoftext|>\"", "\"model_max_length\" : 64");
        CheckpointReader reader = CheckpointReader.open(folder.resolve("run"));
        assertThat(reader.architecture()).isEqualTo(outcome.config().architecture());
        try (reader;
                LanguageModel model = reader.model(Precision.FP32, Device.CPU)) {
            assertThat(model.config()).isEqualTo(outcome.config().model());
            float[] ones = new float[64];
            Arrays.fill(ones, 1);
            // Training changed it a little from its initial value.
            assertThat(model.parameters()
                            .get("model.layer_norm.weight")
                            .master()
                            .toFloats())
                    .isNotEqualTo(ones)
                    .containsExactly(ones, within(0.1f));
        }
    }

    @Test
    void theSameSeedGivesTheSameMetrics() throws IOException {
        train("a", 10, "model.dropout=0.1");
        train("b", 10, "model.dropout=0.1");
        assertThat(reproducible("a")).isEqualTo(reproducible("b"));
        train("c", 10, "model.dropout=0.1", "seed=2");
        assertThat(reproducible("c")).isNotEqualTo(reproducible("a"));
    }

    private List<JsonNode> reproducible(String run) throws IOException {
        return Files.readAllLines(folder.resolve(run).resolve("metrics.jsonl")).stream()
                .map(line -> {
                    JsonNode json = JSON.readTree(line);
                    List<String> varying = json.propertyNames().stream()
                            .filter(name ->
                                    Stream.of("second", "rss", "utilization").anyMatch(name::contains))
                            .toList();
                    return (JsonNode) ((tools.jackson.databind.node.ObjectNode) json).remove(varying);
                })
                .toList();
    }

    @Test
    void aStopLeavesACheckpoint() {
        List<String> overrides = List.of("precision=fp32");
        try (Shards shards = Shards.open(data)) {
            TrainingRun run = new TrainingRun(
                    RunConfig.read("cpu-tiny-moe", overrides), shards, folder.resolve("run"), 1000, Device.CPU);
            int[] steps = new int[1];
            TrainingRun.Outcome outcome = run.listen(TrainingListener.ofSteps(_ -> steps[0]++))
                    .stopWhen(() -> steps[0] == 4)
                    .run();
            assertThat(outcome.checkpoint()).hasFileName("step-00000004").isDirectory();
        }
    }

    /** Every spelling of the override counts; the last one wins. */
    @ParameterizedTest
    @ValueSource(strings = {"model.vocabulary=1_024", "model.vocabulary =1024", "model={vocabulary: 1024}"})
    void aVocabularyThatIsSetIsTakenOver(String override) {
        List<String> overrides = List.of("model.vocabulary=512", override);

        RunConfig config = RunConfig.read("cpu-tiny-moe", overrides).forVocabulary(257);

        assertThat(config.model().vocabulary()).isEqualTo(1024);
    }

    /** A preset's vocabulary is only a default for measurements. The same number given by the user counts. */
    @Test
    void aVocabularyIsUnderstoodAlikeWhereverItIsGiven() throws IOException {
        RunConfig preset = RunConfig.preset("cpu-tiny-moe");
        assertThat(preset.forVocabulary(257).model().vocabulary()).isEqualTo(264);
        assertThat(preset.architecture().model().vocabulary()).isEqualTo(2048);

        Path file = folder.resolve("run.yaml");
        for (int given : new int[] {264, 1024, 2048}) {
            Files.writeString(file, "preset: cpu-tiny-moe\nmodel:\n  vocabulary: " + given + "\n");
            RunConfig set = RunConfig.read("cpu-tiny-moe", List.of("model.vocabulary=" + given));

            assertThat(RunConfig.read(file.toString(), List.of())).isEqualTo(set);
            assertThat(set.forVocabulary(257).model().vocabulary()).isEqualTo(given);
            // Built in code, it counts as resolved by an earlier run.
            assertThat(set.forVocabulary(257).forVocabulary(257)).isEqualTo(set);
        }

        Files.writeString(file, "model:\n  vocabulary: 128\n");
        assertThatThrownBy(() -> RunConfig.read(file.toString(), List.of()).forVocabulary(257))
                .isInstanceOf(TrainException.class)
                .hasMessage("model.vocabulary: 128 is too small for the data's tokenizer, which has 257 entries;"
                        + " leave the key out or use at least 264");
        assertThat(RunConfig.read(file.toString(), List.of("model.vocabulary=0"))
                        .forVocabulary(257)
                        .model()
                        .vocabulary())
                .isEqualTo(264);
    }

    /** A tokenizer with the same number of entries, so the model's shape gives no hint. */
    @Test
    void aRunDoesNotGoOnWithTextOfAnotherTokenizer() {
        Path checkpoint = train("run", 1).checkpoint();
        Path other = folder.resolve("other");
        Preparation.Result _ = new Preparation(
                        Tokenizer.of("gpt2:257"), TextInput.of(List.of(folder.resolve("text.txt"))), other)
                .run();
        List<String> overrides = List.of("precision=fp32");
        try (Shards shards = Shards.open(other)) {
            TrainingRun run = new TrainingRun(
                            RunConfig.read("cpu-tiny-moe", overrides), shards, folder.resolve("run"), 2, Device.CPU)
                    .resume(Set.of("data", "steps"));
            assertThatThrownBy(run::run)
                    .isInstanceOf(TrainException.class)
                    .hasMessage(checkpoint + " was trained with the tokenizer bytes, but the data was prepared with"
                            + " gpt2:257; prepare the data again with the run's tokenizer");
        }
    }

    @Test
    void badInputIsAClearError() throws IOException {
        assertThatThrownBy(() -> train("run", 0)).hasMessageContaining("steps: 0");
        assertThatThrownBy(() -> train("run", 1, "model.expertz=3"))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("experts");
        assertThatThrownBy(() -> train("run", 1, "precision=int4")).hasMessageContaining("use bf16");
        assertThatThrownBy(() -> train("run", 1, "model.vocabulary=128")).hasMessageContaining("264");
        assertThatThrownBy(() -> RunConfig.read("cpu-tiny-mo", List.of())).hasMessageContaining("cpu-tiny-moe");
        train("run", 1);
        assertThatThrownBy(() -> train("run", 1)).hasMessageContaining("already holds a run");
        Files.writeString(folder.resolve("file"), "x");
        assertThatThrownBy(() -> train("file", 1))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("file");
        assertThatThrownBy(() -> train("run2", 1, "model.context=100000"))
                .hasMessageContaining("too few for one sequence");
    }
}
