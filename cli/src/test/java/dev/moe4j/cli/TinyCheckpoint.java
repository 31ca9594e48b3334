package dev.moe4j.cli;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointConfig;
import dev.moe4j.model.checkpoint.CheckpointTensors;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Writes checkpoints of an untrained model with a byte vocabulary and a context of 16. */
public final class TinyCheckpoint {
    public static final int CONTEXT = 16;

    private TinyCheckpoint() {}

    /** Writes a checkpoint of a step into a run's folder. Returns the checkpoint's folder. */
    public static Path write(Path run, int step, int experts) throws IOException {
        return write(run, step, experts, RoutingConfig.DEFAULT);
    }

    public static Path write(Path run, int step, int experts, RoutingConfig routing) throws IOException {
        Tokenizer tokenizer = Tokenizer.of("bytes");
        Architecture architecture = new Architecture(
                new ModelConfig(2, 32, 4, 64, 264, CONTEXT, Activation.GELU, 0.1, 0, -1, experts, 2, 32, 0),
                routing,
                BalanceConfig.DEFAULT);
        Path folder = Files.createDirectories(run.resolve(String.format("step-%08d", step)));
        try (LanguageModel model =
                        LanguageModel.initialize(architecture, Precision.FP32, Device.CPU, new RandomKey(step));
                Scope _ = Scope.open()) {
            String _ = CheckpointTensors.write(
                    folder.resolve(CheckpointTensors.MODEL_FILE), CheckpointTensors.parameters(model.parameters()));
        }
        Files.writeString(
                folder.resolve(CheckpointConfig.FILE),
                new CheckpointConfig(architecture, TokenizerSpec.of(tokenizer)).text(DType.FLOAT32));
        return folder;
    }
}
