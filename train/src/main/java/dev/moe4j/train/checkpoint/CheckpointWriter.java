package dev.moe4j.train.checkpoint;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.AtomicFolder;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.base.file.TemporaryName;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.formats.FormatException;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointConfig;
import dev.moe4j.model.checkpoint.CheckpointState;
import dev.moe4j.model.checkpoint.CheckpointStep;
import dev.moe4j.model.checkpoint.CheckpointTensors;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.tensor.Scope;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.tokenizer.TokenizerJson;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Writes checkpoints in the format of docs/checkpoint-format.md. A checkpoint is written under a temporary name, forced
 * to the disk, and renamed when complete. A failure leaves nothing that looks like a checkpoint and keeps older ones.
 */
public final class CheckpointWriter {

    private final RunFolder run;
    private final Tokenizer tokenizer;
    /** File contents by name, the same for all checkpoints. Kept because listing GPT-2's merges takes half a second. */
    private final SortedMap<String, byte[]> tokenizerFiles = new TreeMap<>();

    /**
     * A checkpoint on the disk.
     *
     * @param undeleted why the replaced checkpoint could not be deleted; null if all went well
     */
    record Written(Path checkpoint, @Nullable IOException undeleted) {}

    /**
     * Creates a writer to a run's folder.
     *
     * @param tokenizer the tokenizer of the data, which is stored in each checkpoint
     */
    CheckpointWriter(RunFolder run, Tokenizer tokenizer) {
        this.run = run;
        this.tokenizer = tokenizer;
    }

    /**
     * Saves a checkpoint of a model that was trained without a {@code TrainingRun}. All processes must call this
     * together.
     *
     * @param folder the run's folder, created if missing
     * @param trained the state of the trainer
     * @param data the training data
     * @param tokens tokens trained on
     * @param seconds seconds of training
     * @param loss the loss of the last step, in nats per token
     * @return the checkpoint's folder
     * @throws TrainException if the checkpoint cannot be written
     */
    public static Path save(
            Path folder,
            LanguageModel model,
            TrainerState trained,
            RunConfig config,
            Shards data,
            long tokens,
            double seconds,
            double loss) {
        TrainingState state = new TrainingState(
                TrainingState.RunInputs.of(
                        config,
                        data.manifest().sha256(),
                        Math.max(1, trained.step()),
                        model.parallelContext().layout()),
                TrainingState.Position.of(trained, tokens, seconds, new TrainingState.Losses(loss, null)));
        try (RunFolder run = RunFolder.lock(folder);
                Snapshot snapshot = Snapshot.of(model)) {
            Written written = new CheckpointWriter(run, data.tokenizer()).write(snapshot, state);
            IOException undeleted = written.undeleted();
            if (undeleted != null) {
                throw TrainException.cannotReplace(written.checkpoint(), undeleted);
            }
            return written.checkpoint();
        }
    }

    /** Writes {@code step-NNNNNNNN/} in the run's folder. */
    Written write(Snapshot snapshot, TrainingState state) {
        Path target = CheckpointStep.folder(run.path(), state.position().step());
        Path temporary = TemporaryName.nextTo(target);
        // A run resumed from an older step replaces the checkpoints of later steps.
        Path replaced = TemporaryName.nextTo(target);
        try {
            Files.createDirectories(temporary);
            fill(temporary, snapshot, state);
            AtomicFolder.commit(temporary, target, replaced);
        } catch (IOException | FormatException | DataException e) {
            String reason = e instanceof IOException io
                    ? DataException.reason(io) + "; free disk space or choose another folder"
                    : e.getMessage();
            TrainException failure = new TrainException("cannot write the checkpoint " + target + ": " + reason, e);
            try {
                FileTree.delete(temporary);
            } catch (IOException again) {
                failure.addSuppressed(again);
            }
            throw failure;
        }
        try {
            FileTree.delete(replaced);
            return new Written(target, null);
        } catch (IOException e) {
            return new Written(target, e);
        }
    }

    private void fill(Path folder, Snapshot snapshot, TrainingState state) throws IOException {
        CheckpointConfig config = new CheckpointConfig(snapshot.architecture(), TokenizerSpec.of(tokenizer));
        Map<String, TrainingState.Stored> files = new LinkedHashMap<>();
        String configText = config.text(snapshot.master());
        Files.writeString(folder.resolve(CheckpointConfig.FILE), configText);
        addFile(folder.resolve(CheckpointConfig.FILE), Sha256.of(configText), files);
        if (tokenizerFiles.isEmpty()) {
            tokenizerFiles.putAll(TokenizerJson.files(
                    tokenizer, snapshot.architecture().model().context()));
        }
        for (Map.Entry<String, byte[]> file : tokenizerFiles.entrySet()) {
            Path path = folder.resolve(file.getKey());
            Files.write(path, file.getValue());
            addFile(path, Sha256.of(file.getValue()), files);
        }
        try (Scope _ = Scope.open()) {
            writeTensors(folder.resolve(CheckpointTensors.MODEL_FILE), snapshot.model(), files);
            writeTensors(folder.resolve(CheckpointTensors.OPTIMIZER_FILE), snapshot.optimizer(), files);
        }
        Files.writeString(folder.resolve(CheckpointState.FILE), state.text(files));
    }

    private static void writeTensors(
            Path file, List<CheckpointTensors.Named> tensors, Map<String, TrainingState.Stored> files)
            throws IOException {
        addFile(file, CheckpointTensors.write(file, tensors), files);
    }

    private static void addFile(Path file, String sha256, Map<String, TrainingState.Stored> files) throws IOException {
        files.put(file.getFileName().toString(), new TrainingState.Stored(Files.size(file), sha256));
    }
}
