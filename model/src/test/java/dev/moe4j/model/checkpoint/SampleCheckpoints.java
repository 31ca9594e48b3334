package dev.moe4j.model.checkpoint;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.UserException;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.assertj.core.api.AbstractThrowableAssert;
import tools.jackson.databind.node.ObjectNode;

/** Writes small checkpoints for tests, complete or damaged. */
final class SampleCheckpoints {

    static final TokenizerSpec TOKENIZER = new TokenizerSpec("gpt2:300", "ab".repeat(32), 20, 19);

    static final Architecture MOE =
            new Architecture(TinyModels.mixture(8, 3, 2, 0.1), TinyModels.capacity(2), BalanceConfig.DEFAULT);

    static final Architecture DENSE =
            new Architecture(TinyModels.mixture(8, 0, 0, 0), RoutingConfig.DEFAULT, BalanceConfig.DEFAULT);

    private SampleCheckpoints() {}

    static LanguageModel model(Architecture architecture, Precision precision) {
        return LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(5));
    }

    static void write(Path folder, LanguageModel model) {
        writeConfig(folder, new CheckpointConfig(model.architecture(), TOKENIZER).toJson(DType.FLOAT32));
        try (Scope _ = Scope.open()) {
            CheckpointTensors.write(
                    folder.resolve(CheckpointTensors.MODEL_FILE), CheckpointTensors.parameters(model.parameters()));
        }
    }

    static void writeConfig(Path folder, ObjectNode config) {
        try {
            Files.writeString(folder.resolve(CheckpointConfig.FILE), config.toPrettyString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static AbstractThrowableAssert<?, ? extends Throwable> refused(Path folder) {
        return assertThatThrownBy(() -> CheckpointReader.open(folder).close()).isInstanceOf(UserException.class);
    }
}
