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
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Until model.CheckpointReader is there. */
final class InterimReader {
    private InterimReader() {}

    static LoadedModel read(ModelOptions options) {
        Path folder = newest(options.checkpoint);
        JsonNode config;
        try {
            config = JsonMapper.shared().readTree(Files.readString(folder.resolve("config.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Architecture defaults = new Architecture(
                new ModelConfig(1, 8, 1, 8, 8, 8, Activation.GELU, 0, 0, -1, 0, 1, 8, 0),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
        JsonNode moe4j = config.path("moe4j");
        Architecture architecture = ConfigReader.fromJson(defaults, moe4j.path("model"), "config.json");
        Tokenizer tokenizer = Tokenizer.of(moe4j.path("tokenizer").path("name").asString());
        LanguageModel model = LanguageModel.initialize(
                architecture, Precision.parse(options.precision), Device.parse(options.device), new RandomKey(0));
        try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("model.safetensors"));
                Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    SafetensorsFile.Entry entry =
                            file.entry(parameter.spec().parts().get(i));
                    parameter
                            .part(parameter.master(), i)
                            .copy(Tensor.copyOf(entry.data(), DType.FLOAT32, Device.CPU, entry.shape()));
                }
            }
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
        model.parameters().refresh();
        return new LoadedModel(folder, model, tokenizer);
    }

    private static Path newest(Path folder) {
        try (Stream<Path> children = Files.list(folder)) {
            return children.filter(child -> child.getFileName().toString().matches("step-\\d+"))
                    .max(Path::compareTo)
                    .orElse(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
