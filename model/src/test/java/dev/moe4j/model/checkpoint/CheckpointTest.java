package dev.moe4j.model.checkpoint;

import static dev.moe4j.model.checkpoint.SampleCheckpoints.DENSE;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.MOE;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.TOKENIZER;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.model;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.refused;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.write;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.writeConfig;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.formats.FormatException;
import dev.moe4j.formats.safetensors.SafetensorsFile;
import dev.moe4j.model.Agreement;
import dev.moe4j.model.Golden;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.PublishedModel;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Checkpoints round-trip, in moe4j's format and in Hugging Face's. */
class CheckpointTest {

    private static final String MODEL = CheckpointTensors.MODEL_FILE;

    @TempDir
    Path folder;

    /** A dense model with every option that Hugging Face's XGLM cannot express. */
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
                    6,
                    GateConfig.PUBLISHED),
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
    void roundTrips(String architecture, String precision) {
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
                        .isInstanceOf(FormatException.class)
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

    /** The golden dense weights, stored in Hugging Face's format, give the golden logits. */
    @TestFactory
    Stream<DynamicTest> readsHuggingFaceModel() {
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

    /** Hugging Face's XGLM has an untied output table if its configuration says so. */
    @Test
    void readsUntiedHuggingFaceModel() {
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
    void separateTablesRequireTheMoe4jFormat() {
        ObjectNode json = new CheckpointConfig(OWN_TABLES, TOKENIZER).toJson(DType.FLOAT32);
        assertThat(json.path("model_type").asString()).isEqualTo("moe4j");
        assertThat(json.path("tie_word_embeddings").asBoolean()).isFalse();
        assertThat(json.path("activation_dropout").asDouble()).isEqualTo(0.2);
        assertThat(ModelParameters.groups(OWN_TABLES.model()).map(ModelParameters.GroupSpec::name))
                .startsWith("embedding")
                .endsWith("layer_norm", "lm_head");
        json.put("tie_word_embeddings", true);
        assertThatThrownBy(() -> CheckpointConfig.fromJson(json, "x"))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("tie_word_embeddings is true, but the block moe4j says false");
    }

    @Test
    void denseCheckpointIsXglm() {
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

    /**
     * Transformers 5.18 refuses the first file because of its null decoder_start_token_id, and opens the second one.
     */
    @Test
    void denseConfigurationOpensInTransformers() throws IOException {
        JsonNode refused = resource("cases/xglm-config-as-written.json");
        CheckpointConfig config = CheckpointConfig.fromJson(refused, "as written");
        assertThat(refused.has("decoder_start_token_id")).isTrue();

        ObjectNode accepted = (ObjectNode) resource("cases/xglm-config-accepted.json");
        ObjectNode written = config.toJson(DType.FLOAT32);
        // Transformers ignores our block, which follows the version of the format.
        assertThat(written.remove("moe4j")).isNotNull();
        accepted.remove("moe4j");
        assertThat((JsonNode) written).isEqualTo(accepted);
    }

    private static JsonNode resource(String name) throws IOException {
        try (InputStream stream = CheckpointTest.class.getResourceAsStream("/" + name)) {
            return JsonMapper.shared().readTree(Objects.requireNonNull(stream, name));
        }
    }

    @Test
    void opensTheNewestCheckpointOfARun() throws IOException {
        for (String step : List.of("step-00000900", "step-00001000", "step-00001100.ab12cd34.tmp")) {
            Path checkpoint = Files.createDirectory(folder.resolve(step));
            try (LanguageModel model = model(DENSE, Precision.FP32)) {
                write(checkpoint, model);
            }
        }
        try (CheckpointReader reader = CheckpointReader.open(folder)) {
            assertThat(reader.folder()).isEqualTo(folder.resolve("step-00001000"));
        }
        refused(folder.resolve("step-00001100.ab12cd34.tmp")).hasMessageContaining("is incomplete");
    }

    @Test
    void opensTheBestCheckpointOfARun() throws IOException {
        Path best = folder.resolve("best");
        refused(best).hasMessageContaining("holds no checkpoint");
        for (long step : new long[] {100, 200}) {
            try (LanguageModel model = model(DENSE, Precision.FP32)) {
                write(Files.createDirectory(CheckpointStep.folder(folder, step)), model);
            }
        }
        Path newest = CheckpointStep.folder(folder, 200);
        writeBest(newest, "null");
        refused(best).hasMessageContaining("the run has not been validated; use " + newest);
        writeBest(newest, "{\"name\": \"valid\", \"loss\": 3.0, \"step\": 150, \"since\": 1}");
        refused(best).hasMessageContaining("step-00000150 is the best checkpoint of its run, but was not kept");
        writeBest(newest, "{\"name\": \"valid\", \"loss\": 3.0, \"step\": 100, \"since\": 1}");
        try (CheckpointReader reader = CheckpointReader.open(best)) {
            assertThat(reader.folder()).isEqualTo(CheckpointStep.folder(folder, 100));
        }
        // A real folder of that name takes precedence.
        Files.createDirectory(best);
        refused(best).hasMessageContaining("best holds no checkpoint");
    }

    private static void writeBest(Path checkpoint, String best) throws IOException {
        String state = "{\"step\": 200, \"files\": {}, \"metrics\": {\"loss\": 3.5, \"best\": " + best + "}}";
        Files.writeString(checkpoint.resolve(CheckpointState.FILE), CheckpointState.text((ObjectNode)
                JsonMapper.shared().readTree(state)));
    }
}
