package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

class CheckpointTest {

    private static final TokenizerSpec TOKENIZER = new TokenizerSpec("gpt2:300", "ab".repeat(32), 20, 19);
    private static final String MODEL = CheckpointTensors.MODEL_FILE;

    @TempDir
    Path folder;

    private static final Architecture MOE =
            new Architecture(TinyModels.mixture(8, 3, 2, 0.1), TinyModels.capacity(2), BalanceConfig.DEFAULT);

    private static final Architecture DENSE =
            new Architecture(TinyModels.mixture(8, 0, 0, 0), RoutingConfig.DEFAULT, BalanceConfig.DEFAULT);

    /** All that Hugging Face's XGLM has no word for, in a dense model. */
    private static final Architecture OWN_TABLES = new Architecture(
            DENSE.model().withEmbeddings(Positions.LEARNED, false).withActivationDropout(0.2),
            RoutingConfig.DEFAULT,
            BalanceConfig.DEFAULT);

    /** The published options with a mixture. */
    private static final Architecture PUBLISHED = new Architecture(
            MOE.model().withEmbeddings(Positions.LEARNED, false),
            new RoutingConfig(
                    RoutingConfig.Strategy.CAPACITY,
                    2,
                    0,
                    1,
                    0.25,
                    true,
                    RoutingConfig.SecondExpert.RANDOM,
                    true,
                    false,
                    6),
            BalanceConfig.DEFAULT.withTransform(BalanceConfig.Transform.NEG_LOG));

    private static Architecture architecture(String name) {
        return switch (name) {
            case "mixture" -> MOE;
            case "dense" -> DENSE;
            case "own-tables" -> OWN_TABLES;
            case "published" -> PUBLISHED;
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static LanguageModel model(Architecture architecture, Precision precision) {
        return LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(5));
    }

    private static void write(Path folder, LanguageModel model) {
        writeConfig(folder, new CheckpointConfig(model.architecture(), TOKENIZER).toJson(DType.FLOAT32));
        try (Scope _ = Scope.open()) {
            CheckpointTensors.write(folder.resolve(MODEL), CheckpointTensors.parameters(model.parameters()));
        }
    }

    private static void writeConfig(Path folder, ObjectNode config) {
        try {
            Files.writeString(folder.resolve(CheckpointConfig.FILE), config.toPrettyString());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static List<double[]> values(LanguageModel model) {
        return model.parameters().units().stream()
                .map(unit -> unit.master().toDoubles())
                .toList();
    }

    @ParameterizedTest
    @CsvSource({
        "mixture, fp32",
        "mixture, fp64",
        "dense, fp32",
        "mixture, bf16",
        "own-tables, fp32",
        "own-tables, bf16",
        "published, fp64"
    })
    void givesBackWhatWasWritten(String architecture, String precision) {
        try (LanguageModel model = model(architecture(architecture), Precision.parse(precision))) {
            write(folder, model);
            try (CheckpointReader reader = CheckpointReader.open(folder);
                    LanguageModel read = reader.model(Precision.parse(precision), Device.CPU);
                    Scope _ = Scope.open()) {
                assertThat(reader.architecture()).isEqualTo(model.architecture());
                assertThat(reader.tokenizer()).isEqualTo(TOKENIZER);
                assertThat(reader.folder()).isEqualTo(folder);
                List<double[]> wanted = values(model);
                List<double[]> actual = values(read);
                for (int i = 0; i < wanted.size(); i++) {
                    assertThat(actual.get(i)).isEqualTo(wanted.get(i));
                }
                TokenBatch batch = TinyModels.batch(1, 2, 8, 24);
                assertThat(read.logits(batch).toDoubles())
                        .isEqualTo(model.logits(batch).toDoubles());
            }
        }
    }

    @Test
    void optimizerStatesKeepTheirNames() {
        try (Scope _ = Scope.open();
                LanguageModel model = model(MOE, Precision.FP32);
                LanguageModel other = model(MOE, Precision.FP32)) {
            List<CheckpointTensors.Named> states = CheckpointTensors.states(model.parameters(), "exp_avg");
            double value = 0;
            for (CheckpointTensors.Named named : states) {
                named.tensor().fill(value++);
            }
            Path file = folder.resolve(CheckpointTensors.OPTIMIZER_FILE);
            CheckpointTensors.write(file, states);
            try (SafetensorsFile stored = SafetensorsFile.open(file)) {
                assertThat(stored.names())
                        .contains("model.layers.2.moe.experts.1.fc2.weight.exp_avg", "model.layer_norm.bias.exp_avg");
                CheckpointTensors.read(stored, other.parameters(), unit -> unit.state("exp_avg"), ".exp_avg");
                List<String> others = CheckpointTensors.parameters(other.parameters()).stream()
                        .map(CheckpointTensors.Named::name)
                        .toList();
                assertThatThrownBy(() -> CheckpointTensors.requireNames(stored, others))
                        .isInstanceOf(ModelException.class)
                        .hasMessageContaining("model.embed_tokens.weight");
            }
            for (int i = 0; i < model.parameters().units().size(); i++) {
                assertThat(other.parameters().units().get(i).state("exp_avg").toDoubles())
                        .isEqualTo(model.parameters()
                                .units()
                                .get(i)
                                .state("exp_avg")
                                .toDoubles());
            }
        }
    }

    /** The golden dense weights as a folder in Hugging Face's form give the golden logits. */
    @TestFactory
    Stream<DynamicTest> readsAModelInTheFormOfHuggingFace() {
        return Golden.open().cases("lm").stream()
                .filter(golden -> isXglm(PublishedModel.architecture(golden)))
                .map(golden -> DynamicTest.dynamicTest(golden.name(), () -> {
                    Architecture architecture = PublishedModel.architecture(golden);
                    ObjectNode config = new CheckpointConfig(architecture, null).toJson(DType.FLOAT32);
                    config.remove("moe4j");
                    writeConfig(folder, config);
                    try (Scope _ = Scope.open();
                            LanguageModel model =
                                    PublishedModel.load(architecture, golden.weights(), Precision.FP32, Device.CPU)) {
                        List<CheckpointTensors.Named> tensors =
                                new ArrayList<>(CheckpointTensors.parameters(model.parameters()));
                        if (architecture.model().tied()) {
                            tensors.add(new CheckpointTensors.Named(
                                    "lm_head.weight", tensors.getFirst().tensor()));
                        }
                        CheckpointTensors.write(folder.resolve(MODEL), tensors);
                    }
                    long[] tokens = golden.tensors().longs("src_tokens");
                    TokenBatch batch = new TokenBatch(
                            tokens, tokens, (int) golden.tensors().shape("src_tokens")[0]);
                    try (Scope _ = Scope.open();
                            CheckpointReader reader = CheckpointReader.open(folder);
                            LanguageModel model = reader.model(Precision.FP32, Device.CPU)) {
                        assertThat(reader.tokenizer()).isNull();
                        new Agreement(golden, Precision.FP32).check("logits", model.logits(batch));
                    }
                }));
    }

    private static boolean isXglm(Architecture architecture) {
        return architecture.model().experts() == 0 && architecture.model().positions() == Positions.SINUSOIDAL;
    }

    /** Hugging Face's XGLM has an output of its own where it says that it is not tied. */
    @Test
    void readsAnUntiedModelInTheFormOfHuggingFace() {
        Architecture untied = new Architecture(
                DENSE.model().withEmbeddings(Positions.SINUSOIDAL, false).withActivationDropout(0.1),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
        TokenBatch batch = TinyModels.batch(1, 2, 8, 24);
        ObjectNode config = new CheckpointConfig(untied, null).toJson(DType.FLOAT32);
        config.put("model_type", "xglm");
        config.remove("moe4j");
        try (Scope _ = Scope.open();
                LanguageModel model = model(untied, Precision.FP32)) {
            write(folder, model);
            writeConfig(folder, config);
            try (CheckpointReader reader = CheckpointReader.open(folder);
                    LanguageModel read = reader.model(Precision.FP32, Device.CPU)) {
                assertThat(reader.architecture().model().tied()).isFalse();
                assertThat(reader.architecture().model().activationDropout()).isEqualTo(0.1);
                assertThat(read.logits(batch).toDoubles())
                        .isEqualTo(model.logits(batch).toDoubles());
            }
            config.put("tie_word_embeddings", true);
            writeConfig(folder, config);
            refused(folder).hasMessageContaining("lm_head.weight differs from the embedding");
        }
    }

    @Test
    void tablesOfItsOwnMakeADenseModelOurs() {
        ObjectNode json = new CheckpointConfig(OWN_TABLES, TOKENIZER).toJson(DType.FLOAT32);
        assertThat(json.path("model_type").asString()).isEqualTo("moe4j");
        assertThat(json.path("tie_word_embeddings").asBoolean()).isFalse();
        assertThat(json.path("activation_dropout").asDouble()).isEqualTo(0.2);
        assertThat(ModelParameters.units(OWN_TABLES.model()).map(ModelParameters.UnitSpec::name))
                .startsWith("embedding")
                .endsWith("layer_norm", "lm_head");
        json.put("tie_word_embeddings", true);
        assertThatThrownBy(() -> CheckpointConfig.fromJson(json, "x"))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("tie_word_embeddings is true, but by the block moe4j it is false");
    }

    @Test
    void aDenseCheckpointSaysThatItIsXglm() {
        ObjectNode dense = new CheckpointConfig(DENSE, TOKENIZER).toJson(DType.FLOAT32);
        assertThat(dense.path("model_type").asString()).isEqualTo("xglm");
        assertThat(dense.path("num_layers").asInt()).isEqualTo(3);
        assertThat(dense.path("pad_token_id").asInt()).isEqualTo(1);
        assertThat(dense.path("eos_token_id").asInt()).isEqualTo(19);
        assertThat(dense.path("torch_dtype").asString()).isEqualTo("float32");
        ObjectNode mixture = new CheckpointConfig(MOE, TOKENIZER).toJson(DType.FLOAT32);
        assertThat(mixture.path("model_type").asString()).isEqualTo("moe4j");
        assertThat(CheckpointConfig.fromJson(mixture, "x").architecture()).isEqualTo(MOE);
    }

    @Test
    void takesTheNewestCheckpointOfARun() throws IOException {
        for (String step : List.of("step-00000900", "step-00001000", "step-00001100.ab12cd34.tmp")) {
            Path checkpoint = Files.createDirectory(folder.resolve(step));
            try (LanguageModel model = model(DENSE, Precision.FP32)) {
                write(checkpoint, model);
            }
        }
        try (CheckpointReader reader = CheckpointReader.open(folder)) {
            assertThat(reader.folder()).isEqualTo(folder.resolve("step-00001000"));
        }
        refused(folder.resolve("step-00001100.ab12cd34.tmp")).hasMessageContaining("was never finished");
    }

    @Test
    void refusesFoldersWithoutACheckpoint() throws IOException {
        refused(folder.resolve("none")).hasMessageContaining("none is no folder");
        refused(folder).hasMessageContaining("holds no checkpoint").hasMessageContaining("it is empty");
        Files.writeString(folder.resolve("metrics.jsonl"), "");
        refused(folder).hasMessageContaining("it has metrics.jsonl");
        Files.writeString(folder.resolve("config.json"), "{");
        refused(folder).hasMessageContaining("config.json is no valid JSON");
        Files.writeString(folder.resolve("config.json"), "[]");
        refused(folder).hasMessageContaining("config.json: expected a JSON object");
        Files.writeString(folder.resolve("config.json"), "{\"a\": 1, \"a\": 2}");
        refused(folder).hasMessageContaining("config.json is no valid JSON");
        Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"opt\"}");
        refused(folder).hasMessageContaining("the model type 'opt' is not supported");
        Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"xglm\"}");
        refused(folder).hasMessageContaining("num_layers is missing");
        writeConfig(folder, new CheckpointConfig(MOE, TOKENIZER).toJson(DType.FLOAT32));
        refused(folder).hasMessageContaining("model.safetensors does not exist");
    }

    @Test
    void refusesDamagedConfigurations() {
        try (LanguageModel model = model(MOE, Precision.FP32)) {
            write(folder, model);
        }
        damaged(json -> block(json).put("format_version", 2))
                .hasMessageContaining("format version 2, and this program reads up to 1");
        damaged(json -> block(json).remove("format_version")).hasMessageContaining("moe4j.format_version is missing");
        damaged(json -> block(json).remove("routing"))
                .hasMessageContaining("the key moe4j.routing.strategy is missing");
        damaged(json -> ((ObjectNode) block(json).path("model")).remove("layers"))
                .hasMessageContaining("the key moe4j.model.layers is missing");
        damaged(json -> ((ObjectNode) block(json).path("model")).put("layer", 3))
                .hasMessageContaining("unknown key model.layer");
        damaged(json -> ((ObjectNode) block(json).path("model")).put("heads", 3))
                .hasMessageContaining("3 heads do not divide the width 8");
        damaged(json -> block(json).remove("tokenizer")).hasMessageContaining("moe4j.tokenizer.name is missing");
        damaged(json -> ((ObjectNode) block(json).path("tokenizer")).put("vocabulary", 99))
                .hasMessageContaining("99 entries, more than the model's vocabulary of 24");
        damaged(json -> json.put("d_model", 16)).hasMessageContaining("d_model is 16, but by the block moe4j it is 8");
        damaged(json -> json.remove("d_model")).hasMessageContaining("the key d_model is missing");
        // Sizes that no memory holds, in a configuration that agrees with itself.
        damaged(json -> {
                    ((ObjectNode) block(json).path("model")).put("layers", 1 << 30);
                    json.put("num_layers", 1 << 30);
                })
                .hasMessageContaining("1073741824 layers with 3 experts are more than the");
        damaged(json -> ((ObjectNode) block(json).path("model")).put("experts", Integer.MAX_VALUE))
                .hasMessageContaining("2147483647 experts are more than the");
        damaged(json -> ((ObjectNode) block(json).path("model"))
                        .put("expert_ffn", 1 << 30)
                        .put("shared_experts", 0))
                .hasMessageContaining("moe.experts.0.fc1.weight has the shape [4, 8]; the model's is [1073741824, 8]");
    }

    private static ObjectNode block(ObjectNode json) {
        return (ObjectNode) json.path("moe4j");
    }

    private AbstractThrowableAssert<?, ? extends Throwable> damaged(Consumer<ObjectNode> damage) {
        ObjectNode json = new CheckpointConfig(MOE, TOKENIZER).toJson(DType.FLOAT32);
        damage.accept(json);
        writeConfig(folder, json);
        return refused(folder).hasMessageContaining(folder.toString());
    }

    private static AbstractThrowableAssert<?, ? extends Throwable> refused(Path folder) {
        return assertThatThrownBy(() -> CheckpointReader.open(folder).close()).isInstanceOf(ModelException.class);
    }

    @Test
    void refusesTensorsThatDoNotFit() {
        try (Scope _ = Scope.open();
                LanguageModel model = model(MOE, Precision.FP32)) {
            write(folder, model);
            String expert = "model.layers.1.moe.experts.2.fc1.bias";
            List<CheckpointTensors.Named> all = CheckpointTensors.parameters(model.parameters());
            List<CheckpointTensors.Named> others =
                    all.stream().filter(named -> !named.name().equals(expert)).toList();
            CheckpointTensors.write(folder.resolve(MODEL), others);
            refused(folder)
                    .hasMessageContaining(
                            "the tensor " + expert + " is missing; the nearest that is there: model.layers.");
            rewrite(others, expert, Tensor.zeros(DType.FLOAT32, Device.CPU, 5));
            refused(folder).hasMessageContaining("tensor " + expert + " has the shape [5]; the model's is [4]");
            rewrite(others, expert, Tensor.zeros(DType.INT64, Device.CPU, 4));
            refused(folder).hasMessageContaining("tensor " + expert + " has the type I64");
            rewrite(all, "model.layers.1.moe.routing", Tensor.zeros(DType.FLOAT32, Device.CPU, 4));
            refused(folder).hasMessageContaining("the model has no tensor model.layers.1.moe.routing");
        }
    }

    private void rewrite(List<CheckpointTensors.Named> tensors, String name, Tensor tensor) {
        List<CheckpointTensors.Named> changed = new ArrayList<>(tensors);
        changed.add(new CheckpointTensors.Named(name, tensor));
        CheckpointTensors.write(folder.resolve(MODEL), changed);
    }

    @Test
    void refusesDamagedFiles() throws IOException {
        try (LanguageModel model = model(DENSE, Precision.FP32)) {
            write(folder, model);
        }
        Path file = folder.resolve(MODEL);
        byte[] good = Files.readAllBytes(file);
        byte[] longHeader = good.clone();
        longHeader[6] = 1;
        Files.write(file, longHeader);
        refused(folder).hasMessageContaining("model.safetensors is no valid safetensors file");
        Files.write(file, good);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(good.length - 10);
        }
        refused(folder).hasMessageContaining("cut short").hasMessageContaining(MODEL);
        Files.write(file, good);
        ObjectNode state = new JsonMapper().createObjectNode();
        ObjectNode files = state.putObject("files");
        note(files, folder.resolve("config.json"));
        writeState(state);
        refused(folder).hasMessageContaining("files.model.safetensors with bytes and sha256 is missing");
        files.putObject(MODEL).put("bytes", good.length).put("sha256", "00");
        writeState(state);
        refused(folder).hasMessageContaining("SHA-256 differs").hasMessageContaining(MODEL);
        note(files, file);
        ((ObjectNode) files.path(MODEL)).put("bytes", good.length + 1);
        writeState(state);
        refused(folder).hasMessageContaining("has %d bytes".formatted(good.length));
        note(files, file);
        writeState(state);
        Path stateFile = folder.resolve("state.json");
        String whole = Files.readString(stateFile);
        Files.writeString(stateFile, whole.replace("config.json", "config.jsom"));
        refused(folder).hasMessageContaining("state.json is not what was written");
        Files.writeString(stateFile, "{\"files\": {}}");
        refused(folder).hasMessageContaining("state.json is not what was written");
        Files.writeString(stateFile, "[");
        refused(folder).hasMessageContaining("state.json");
        Files.writeString(stateFile, whole);
        try (CheckpointReader reader = CheckpointReader.open(folder)) {
            assertThat(reader.architecture()).isEqualTo(DENSE);
        }
    }

    private static void note(ObjectNode files, Path file) throws IOException {
        HexFormat hex = HexFormat.of();
        String sum = hex.formatHex(SafetensorsFile.newSha256().digest(Files.readAllBytes(file)));
        files.putObject(file.getFileName().toString())
                .put("bytes", Files.size(file))
                .put("sha256", sum);
    }

    private void writeState(ObjectNode state) throws IOException {
        Files.writeString(folder.resolve(CheckpointState.FILE), CheckpointState.text(state));
    }

    @Test
    void readsShardsAndRefusesIndexesThatLie() throws IOException {
        Path index = folder.resolve("model.safetensors.index.json");
        try (Scope _ = Scope.open();
                LanguageModel model = model(DENSE, Precision.FP32)) {
            write(folder, model);
            Files.delete(folder.resolve(MODEL));
            List<CheckpointTensors.Named> all = CheckpointTensors.parameters(model.parameters());
            CheckpointTensors.write(folder.resolve("a.safetensors"), all.subList(0, 5));
            CheckpointTensors.write(folder.resolve("b.safetensors"), all.subList(5, all.size()));
            ObjectNode json = new JsonMapper().createObjectNode();
            ObjectNode map = json.putObject("weight_map");
            for (int i = 0; i < all.size(); i++) {
                map.put(all.get(i).name(), i < 5 ? "a.safetensors" : "b.safetensors");
            }
            Files.writeString(index, json.toString());
            try (CheckpointReader reader = CheckpointReader.open(folder);
                    LanguageModel read = reader.model(Precision.FP32, Device.CPU)) {
                assertThat(read.parameters().units().getLast().master().toDoubles())
                        .isEqualTo(model.parameters().units().getLast().master().toDoubles());
            }
            String last = all.getLast().name();
            for (Map.Entry<String, String> lie : Map.of(
                            "../a.safetensors", "which is no plain file name",
                            "a.safetensors", "has no tensor " + last,
                            "c.safetensors", "c.safetensors does not exist")
                    .entrySet()) {
                map.put(last, lie.getKey());
                Files.writeString(index, json.toString());
                refused(folder).hasMessageContaining(lie.getValue());
            }
            map.remove(last);
            Files.writeString(index, json.toString());
            refused(folder).hasMessageContaining("does not say that tensor " + last + " lies in");
        }
    }
}
