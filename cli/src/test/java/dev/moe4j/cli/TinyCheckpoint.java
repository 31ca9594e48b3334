package dev.moe4j.cli;

import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.Activation;
import dev.moe4j.model.Architecture;
import dev.moe4j.model.BalanceConfig;
import dev.moe4j.model.ConfigReader;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.ModelConfig;
import dev.moe4j.model.RoutingConfig;
import dev.moe4j.model.SafetensorsFile;
import dev.moe4j.model.SafetensorsWriter;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** Checkpoints of an untrained model over bytes, with a context of 16. */
final class TinyCheckpoint {
    static final int CONTEXT = 16;

    private TinyCheckpoint() {}

    /** Writes one into a run's folder, under the number of its step, and returns its own folder. */
    static Path write(Path run, int step, int experts) throws IOException {
        Tokenizer tokenizer = Tokenizer.of("bytes");
        Architecture architecture = new Architecture(
                new ModelConfig(2, 32, 4, 64, 264, CONTEXT, Activation.GELU, 0.1, 0, -1, experts, 2, 32, 0),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
        Path folder = Files.createDirectories(run.resolve(String.format("step-%08d", step)));
        try (LanguageModel model =
                LanguageModel.initialize(architecture, Precision.FP32, Device.CPU, new RandomKey(step))) {
            write(folder, model);
        }
        Map<String, Object> config = Map.of(
                "moe4j",
                Map.of(
                        "format_version",
                        1,
                        "model",
                        ConfigReader.toJson(architecture),
                        "tokenizer",
                        Map.of(
                                "name",
                                tokenizer.spec(),
                                "sha256",
                                tokenizer.hash(),
                                "vocabulary",
                                tokenizer.vocabularySize())));
        Files.writeString(folder.resolve("config.json"), JsonMapper.shared().writeValueAsString(config));
        return folder;
    }

    private static void write(Path folder, LanguageModel model) {
        try (SafetensorsWriter writer =
                        new SafetensorsWriter(folder.resolve("model.safetensors"), Map.of("format", "pt"));
                Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                for (String part : parameter.spec().parts()) {
                    writer.declare(
                            part, SafetensorsFile.Type.F32, parameter.spec().partShape());
                }
            }
            for (Parameter parameter : model.parameters().all()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    writer.write(
                            parameter.spec().parts().get(i),
                            parameter.part(parameter.master(), i).contiguous().memory());
                }
            }
            String _ = writer.commit();
        }
    }
}
