package dev.moe4j.model.checkpoint;

import static dev.moe4j.model.checkpoint.SampleCheckpoints.DENSE;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.MOE;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.TOKENIZER;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.model;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.refused;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.write;
import static dev.moe4j.model.checkpoint.SampleCheckpoints.writeConfig;
import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
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
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Refuses incomplete, damaged and foreign checkpoints with a precise message. */
class DamagedCheckpointTest {

    private static final String MODEL = CheckpointTensors.MODEL_FILE;

    @TempDir
    Path folder;

    @Test
    void refusesFoldersWithoutACheckpoint() throws IOException {
        refused(folder.resolve("none")).hasMessageContaining("none is not a folder");
        refused(folder).hasMessageContaining("holds no checkpoint").hasMessageContaining("it is empty");
        Files.writeString(folder.resolve("metrics.jsonl"), "");
        refused(folder).hasMessageContaining("it has metrics.jsonl");
        Files.writeString(folder.resolve("config.json"), "{");
        refused(folder).hasMessageContaining("config.json is not valid JSON");
        Files.writeString(folder.resolve("config.json"), "[]");
        refused(folder).hasMessageContaining("config.json: expected a JSON object");
        Files.writeString(folder.resolve("config.json"), "{\"a\": 1, \"a\": 2}");
        refused(folder).hasMessageContaining("config.json is not valid JSON");
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
        damaged(json -> block(json).put("format_version", 3))
                .hasMessageContaining("format version 3, but this program reads up to 2");
        damaged(json -> block(json).remove("format_version")).hasMessageContaining("moe4j.format_version is missing");
        damaged(json -> block(json).remove("routing"))
                .hasMessageContaining("the key moe4j.routing.strategy is missing");
        damaged(json -> ((ObjectNode) block(json).path("model")).remove("layers"))
                .hasMessageContaining("the key moe4j.model.layers is missing");
        damaged(json -> ((ObjectNode) block(json).path("model")).put("layer", 3))
                .hasMessageContaining("unknown key model.layer");
        damaged(json -> ((ObjectNode) block(json).path("model")).put("heads", 3))
                .hasMessageContaining("model.heads: 3 does not divide the width 8");
        damaged(json -> block(json).remove("tokenizer")).hasMessageContaining("moe4j.tokenizer.name is missing");
        damaged(json -> ((ObjectNode) block(json).path("tokenizer")).put("vocabulary", 99))
                .hasMessageContaining("99 entries, more than the model's vocabulary of 24");
        damaged(json -> json.put("d_model", 16)).hasMessageContaining("d_model is 16, but the block moe4j says 8");
        damaged(json -> json.remove("d_model")).hasMessageContaining("the key d_model is missing");
        // Sizes beyond any memory, in a configuration without contradictions.
        damaged(json -> {
                    ((ObjectNode) block(json).path("model")).put("layers", 1 << 30);
                    json.put("num_layers", 1 << 30);
                })
                .hasMessageContaining("1073741824 layers with 3 experts need more than the");
        damaged(json -> {
                    ((ObjectNode) block(json).path("model")).put("context", 1 << 30);
                    json.put("max_position_embeddings", 1 << 30);
                })
                .hasMessageContaining("model.context: 1073741824 positions of width 8 make a table of more than");
        damaged(json -> ((ObjectNode) block(json).path("model")).put("experts", Integer.MAX_VALUE))
                .hasMessageContaining("2147483647 experts need more than the");
        damaged(json -> ((ObjectNode) block(json).path("model"))
                        .put("expert_ffn", 1 << 30)
                        .put("shared_experts", 0))
                .hasMessageContaining(
                        "moe.experts.0.fc1.weight has the shape [4, 8], but the model expects [1073741824, 8]");
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
                            "the tensor " + expert + " is missing; the nearest stored names: model.layers.");
            rewrite(others, expert, Tensor.zeros(DType.FLOAT32, Device.CPU, 5));
            refused(folder).hasMessageContaining("tensor " + expert + " has the shape [5], but the model expects [4]");
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
        refused(folder).hasMessageContaining("model.safetensors is not a valid safetensors file");
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
        refused(folder).hasMessageContaining("state.json is damaged");
        Files.writeString(stateFile, "{\"files\": {}}");
        refused(folder).hasMessageContaining("state.json is damaged");
        Files.writeString(stateFile, "[");
        refused(folder).hasMessageContaining("state.json");
        Files.writeString(stateFile, whole);
        try (CheckpointReader reader = CheckpointReader.open(folder)) {
            assertThat(reader.architecture()).isEqualTo(DENSE);
        }
    }

    private static void note(ObjectNode files, Path file) throws IOException {
        HexFormat hex = HexFormat.of();
        String sum = hex.formatHex(Sha256.digest().digest(Files.readAllBytes(file)));
        files.putObject(file.getFileName().toString())
                .put("bytes", Files.size(file))
                .put("sha256", sum);
    }

    private void writeState(ObjectNode state) throws IOException {
        Files.writeString(folder.resolve(CheckpointState.FILE), CheckpointState.text(state));
    }

    @Test
    void readsShardsAndRefusesWrongIndexes() throws IOException {
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
                            "../a.safetensors", "which is not a plain file name",
                            "a.safetensors", "has no tensor " + last,
                            "c.safetensors", "c.safetensors does not exist")
                    .entrySet()) {
                map.put(last, lie.getKey());
                Files.writeString(index, json.toString());
                refused(folder).hasMessageContaining(lie.getValue());
            }
            map.remove(last);
            Files.writeString(index, json.toString());
            refused(folder).hasMessageContaining("does not list tensor " + last + " of");
        }
    }
}
