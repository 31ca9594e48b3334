package dev.moe4j.train.checkpoint;

import dev.moe4j.base.file.AtomicFolder;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.base.file.TemporaryName;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointConfig;
import dev.moe4j.model.checkpoint.CheckpointTensors;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.tokenizer.TokenizerJson;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A locked folder of models in the format of docs/checkpoint-format.md: checkpoints for evaluation and generation,
 * without the state to resume training. One process at a time may write there; it deletes the unfinished files of its
 * predecessor.
 */
public final class ModelFolders implements AutoCloseable {

    /** The file of a classification head, next to the model. */
    public static final String HEAD_FILE = "head.safetensors";

    private final RunFolder parent;

    private ModelFolders(RunFolder parent) {
        this.parent = parent;
    }

    /**
     * Locks a folder, which is created if missing.
     *
     * @throws TrainException if another process holds the lock, or the folder cannot be written
     */
    public static ModelFolders lock(Path folder) {
        return new ModelFolders(RunFolder.lock(folder));
    }

    /** The folder of a model, which need not exist. */
    public Path folder(String name) {
        return parent.path().resolve(name);
    }

    public boolean has(String name) {
        return Files.isDirectory(folder(name));
    }

    /**
     * Writes a model's master weights and its tokenizer atomically, and replaces a model of the same name.
     *
     * @param head parameters of a classification head, written next to the model; null for none
     * @throws TrainException if the folder cannot be written
     */
    public void write(String name, LanguageModel model, Tokenizer tokenizer, @Nullable Parameters head) {
        Path target = folder(name);
        Path temporary = TemporaryName.nextTo(target);
        Path replaced = TemporaryName.nextTo(target);
        try (Scope _ = Scope.open()) {
            Files.createDirectories(temporary);
            Files.writeString(
                    temporary.resolve(CheckpointConfig.FILE),
                    new CheckpointConfig(model.architecture(), TokenizerSpec.of(tokenizer))
                            .text(model.parameters().precision().master()));
            int context = model.config().context();
            for (Map.Entry<String, byte[]> file :
                    TokenizerJson.files(tokenizer, context).entrySet()) {
                Files.write(temporary.resolve(file.getKey()), file.getValue());
            }
            String _ = CheckpointTensors.write(
                    temporary.resolve(CheckpointTensors.MODEL_FILE), CheckpointTensors.parameters(model.parameters()));
            if (head != null) {
                String _ = CheckpointTensors.write(temporary.resolve(HEAD_FILE), CheckpointTensors.parameters(head));
            }
            AtomicFolder.commit(temporary, target, replaced);
        } catch (IOException e) {
            throw new TrainException(
                    "cannot write the model " + target + ": " + DataException.reason(e)
                            + "; free disk space or choose another folder",
                    e);
        }
        try {
            FileTree.delete(replaced);
        } catch (IOException e) {
            throw TrainException.cannotReplace(target, e);
        }
    }

    /**
     * Deletes a model, if it exists.
     *
     * @throws TrainException if it cannot be deleted
     */
    public void delete(String name) {
        try {
            if (has(name)) {
                AtomicFolder.delete(folder(name));
            }
        } catch (IOException e) {
            throw new TrainException("cannot delete " + folder(name) + ": " + DataException.reason(e), e);
        }
    }

    @Override
    public void close() {
        parent.close();
    }
}
