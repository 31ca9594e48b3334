package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.DataConfig;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Runs on several sources, with complete documents that do not attend to each other. */
class DataRunTest {

    private static final JsonMapper JSON = new JsonMapper();
    private static final int STEPS = 6;
    private static final ModelConfig MODEL =
            new ModelConfig(1, 8, 1, 8, 264, 64, Activation.GELU, 0, 0, -1, 0, 1, 0, 0);
    private static final SequencedMap<String, Path> FOLDERS = new LinkedHashMap<>();
    private static final String[] PACKED = {
        "data.sequences=documents",
        "data.document_mask=true",
        "data.reset_positions=true",
        "data.weights.plays=3",
        "data.weights.notes=1",
        "model.dropout=0.1",
        "batch.accumulation=2",
    };

    @TempDir
    private static Path common;

    @TempDir
    private Path folder;

    @BeforeAll
    static void prepareTexts() throws IOException {
        FOLDERS.clear();
        for (String name : List.of("plays", "notes")) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < 120; i++) {
                text.append((name + " number " + i + ". ").repeat(1 + i % 7)).append("\n\n");
            }
            Path file = Files.writeString(common.resolve(name + ".txt"), text);
            Path out = common.resolve(name);
            Preparation.Result _ = new Preparation(
                            Tokenizer.of("bytes"),
                            TextInput.of(List.of(file)).splitting(DocumentBoundary.BLANK_LINE),
                            out)
                    .holdOut(new HoldOut(0.1, 1))
                    .run();
            FOLDERS.put(name, out);
        }
    }

    private TrainingRun.Outcome train(String out, int until, boolean resume, String... overrides) {
        List<String> all = Stream.concat(
                        Stream.of("precision=fp32", "log.every=1", "batch.sequences=4"), Stream.of(overrides))
                .toList();
        try (TrainingData data = TrainingData.open(FOLDERS)) {
            TrainingRun run =
                    new TrainingRun(RunConfig.read("cpu-tiny-moe", all), data, folder.resolve(out), STEPS, Device.CPU);
            if (resume) {
                run.resume(Set.of());
            }
            long[] step = new long[1];
            return run.listen(TrainingListener.ofSteps(
                            progress -> step[0] = progress.result().step()))
                    .stopWhen(() -> step[0] >= until)
                    .run();
        }
    }

    private List<ObjectNode> metrics(String run) throws IOException {
        return Files.readAllLines(folder.resolve(run).resolve(RunFolder.METRICS)).stream()
                .map(line -> (ObjectNode) JSON.readTree(line))
                .toList();
    }

    private List<String> repeatable(String run) throws IOException {
        return metrics(run).stream()
                .map(line -> line.remove(line.propertyNames().stream()
                                .filter(name -> Stream.of("second", "rss", "utilization")
                                        .anyMatch(name::contains))
                                .toList())
                        .toString())
                .toList();
    }

    @Test
    void aResumedMixtureOfPackedDocumentsIsTheUnbrokenOne() throws IOException {
        train("whole", STEPS, false, PACKED);
        train("broken", 3, false, PACKED);
        TrainingRun.Outcome resumed = train("broken", STEPS, true, PACKED);
        assertThat(repeatable("broken")).hasSize(STEPS).isEqualTo(repeatable("whole"));
        Path whole = folder.resolve("whole/step-00000006");
        for (String file : List.of("model.safetensors", "optimizer.safetensors")) {
            assertThat(resumed.checkpoint().resolve(file)).hasSameBinaryContentAs(whole.resolve(file));
        }
        assertThat(metrics("whole"))
                .allSatisfy(line ->
                        assertThat(line.path("data_wait_seconds").asDouble(-1)).isNotNegative());
        assertThatThrownBy(() -> train("broken", STEPS, true, "data.sequences=documents"))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("data.document_mask was true and is now false")
                .hasMessageContaining("data.weights.notes was 1.0 and is now not set");
    }

    /** Each of the settings changes the run, and each source has its own held-out text. */
    @Test
    void eachSettingCounts() throws IOException {
        String[] evaluated = {"evaluation.every=2", "evaluation.windows=1", "batch.sequences=2"};
        List<String> losses = new ArrayList<>();
        for (String setting : List.of(
                "data.sequences=blocks",
                "data.sequences=documents",
                "data.document_mask=true",
                "data.reset_positions=true",
                "data.weights={plays: 1, notes: 1}")) {
            String[] all =
                    Stream.concat(Stream.of(evaluated), Stream.of(setting)).toArray(String[]::new);
            String run = "run" + losses.size();
            train(run, 2, false, all);
            ObjectNode last = metrics(run).getLast();
            losses.add(last.path("loss").toString());
            assertThat(last.path("plays_loss").isNumber()
                            && last.path("notes_loss").isNumber())
                    .isTrue();
        }
        assertThat(losses).doesNotHaveDuplicates();
    }

    /** A batch depends only on the sequence number, not on the batch size or on prefetching. */
    @Test
    void batchesFollowFromTheNumbersOfTheirSequences() {
        try (TrainingData data = TrainingData.open(FOLDERS);
                TrainingData again = TrainingData.open(FOLDERS)) {
            BatchBuilder one = batches(data);
            BatchBuilder other = batches(again);
            TokenBatch whole = one.batch(0, 64);
            for (int rank = 3; rank >= 0; rank--) {
                TokenBatch part = other.batch(rank * 16L, 16);
                int from = rank * 16 * 64;
                int to = from + 16 * 64;
                assertThat(part.tokens()).isEqualTo(Arrays.copyOfRange(whole.tokens(), from, to));
                assertThat(part.targets()).isEqualTo(Arrays.copyOfRange(whole.targets(), from, to));
                assertThat(Objects.requireNonNull(part.packing()).documents())
                        .isEqualTo(Arrays.copyOfRange(
                                Objects.requireNonNull(whole.packing()).documents(), from, to));
            }
            check(whole);
        }
    }

    @Test
    void batchesMadeAheadAreThoseMadeWhenAskedFor() {
        try (TrainingData data = TrainingData.open(FOLDERS);
                TrainingData again = TrainingData.open(FOLDERS)) {
            BatchBuilder ahead = batches(data);
            BatchBuilder inline = batches(again);
            Prefetch<TokenBatch> prefetch = new Prefetch<>(step -> ahead.batch(step * 4, 4));
            for (long step : new long[] {0, 1, 2, 3, 40, 41, 2, 3, 3, 4}) { // in order, a jump, a step back, a repeat
                TokenBatch made = prefetch.take(step);
                TokenBatch expected = inline.batch(step * 4, 4);
                assertThat(made.tokens()).as("step %d", step).isEqualTo(expected.tokens());
                assertThat(made.targets()).as("step %d", step).isEqualTo(expected.targets());
                assertThat(made.packing()).usingRecursiveComparison().isEqualTo(expected.packing());
            }
        }
    }

    private static BatchBuilder batches(TrainingData data) {
        TrainingSequences sequences =
                data.sequences(TrainingData.SequenceMode.DOCUMENTS, 64, Map.of("plays", 1.0, "notes", 3.0), 5);
        DataConfig config = new DataConfig(TrainingData.SequenceMode.DOCUMENTS, true, true, Map.of());
        return new BatchBuilder(Trainer.SequenceSource.of(sequences), MODEL, config);
    }

    /** A document starts after an end-of-text token and includes the next one. Padding is not predicted. */
    private static void check(TokenBatch batch) {
        Packing packing = Objects.requireNonNull(batch.packing());
        int documents = 0;
        for (int i = 0; i < batch.tokens().length; i++) {
            long document = packing.documents()[i];
            assertThat(batch.targets()[i] == TokenBatch.NONE).isEqualTo(document == TokenBatch.NONE);
            boolean starts = i % 64 == 0 || document != packing.documents()[i - 1];
            if (document != TokenBatch.NONE && i % 64 > 0) {
                assertThat(batch.targets()[i - 1] == 256).isEqualTo(starts);
                assertThat(batch.tokens()[i] == 256).isEqualTo(starts);
            }
            documents += starts && document != TokenBatch.NONE ? 1 : 0;
        }
        assertThat(documents).isGreaterThan(80);
    }

    /** Documents must be separated by end-of-text tokens. Otherwise a document would continue the previous one. */
    @Test
    void documentsWithoutEndsAreNotToldApart() throws IOException {
        Path prepared = FOLDERS.firstEntry().getValue();
        Path without = Files.createDirectory(folder.resolve("without"));
        try (Stream<Path> files = Files.list(prepared)) {
            for (Path file : files.toList()) {
                Files.copy(file, without.resolve(file.getFileName()));
            }
        }
        Path manifest = without.resolve("manifest.json");
        String text = Files.readString(manifest);
        Files.writeString(manifest, text.replace("\"appends_end_of_text\" : true", "\"appends_end_of_text\" : false"));
        SequencedMap<String, Path> folders = new LinkedHashMap<>();
        folders.put("without", without);
        try (TrainingData data = TrainingData.open(folders)) {
            assertThat(RunConfig.read("cpu-tiny-moe", List.of()).sequences(data).sequencesPerEpoch())
                    .isPositive();
            for (String setting :
                    List.of("data.sequences=documents", "data.document_mask=true", "data.reset_positions=true")) {
                RunConfig config = RunConfig.read("cpu-tiny-moe", List.of(setting));
                assertThatThrownBy(() -> config.sequences(data))
                        .as(setting)
                        .isInstanceOf(DataException.class)
                        .hasMessageContaining("do not end with an end of text");
            }
        }
    }

    /** For example after a bit flip on the disk. */
    @Test
    void anIdThatTheModelDoesNotHaveIsDamage() {
        BatchBuilder batches = new BatchBuilder((_, tokens) -> tokens[5] = 264, MODEL, DataConfig.DEFAULT);
        assertThatThrownBy(() -> batches.batch(7, 1))
                .isInstanceOf(TrainException.class)
                .hasMessage(
                        "sequence 7 of the data has the token id 264, outside the vocabulary of 264: the data is"
                                + " damaged; find the file with `prepare verify`, then copy it again or prepare the data again");
    }

    @Test
    void namesOfSourcesHaveToBeNames() {
        SequencedMap<String, Path> named = new LinkedHashMap<>();
        named.put("a", FOLDERS.firstEntry().getValue());
        named.put("my-books", FOLDERS.lastEntry().getValue());
        assertThatThrownBy(() -> TrainingData.open(named))
                .isInstanceOf(DataException.class)
                .hasMessageStartingWith("'my-books' is not a valid source name; give ");
        assertThatThrownBy(() -> new DataConfig(TrainingData.SequenceMode.BLOCKS, false, false, Map.of("a", 0.0)))
                .isInstanceOf(TrainException.class)
                .hasMessageStartingWith("data.weights.a: 0.0 is not a weight");
    }
}
