package dev.moe4j.train;

import dev.moe4j.data.Manifest;
import dev.moe4j.model.CheckpointConfig;
import dev.moe4j.model.CheckpointTensors;
import dev.moe4j.model.ConfigWriter;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.ModelException;
import dev.moe4j.model.TokenizerSpec;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.Scope;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes checkpoints as docs/checkpoint-format.md has them: beside their place, forced to the disk, and renamed when
 * whole. A failure leaves nothing that looks like a checkpoint, and older ones as they are.
 */
public final class CheckpointWriter {

    private static final String STATE_FILE = "state.json";
    private static final String NO_DIGEST = "0".repeat(64);
    private static final JsonMapper JSON = new JsonMapper();

    private final RunConfig config;
    private final Manifest manifest;

    /**
     * Where a run stands.
     *
     * @param step finished updates
     * @param tokens trained on
     * @param loss of the last update, nats per token
     */
    public record Position(long step, long tokens, double loss) {}

    /** A writer for a run on the data that the manifest describes. */
    public CheckpointWriter(RunConfig config, Manifest manifest) {
        this.config = config;
        this.manifest = manifest;
    }

    /**
     * Writes {@code step-NNNNNNNN/} in the run's folder.
     *
     * @return the checkpoint's folder
     */
    public Path write(Path run, LanguageModel model, Position position) {
        Path target = run.resolve("step-%08d".formatted(position.step()));
        Path temporary = run.resolve("%s.%08x.tmp"
                .formatted(target.getFileName(), ThreadLocalRandom.current().nextInt()));
        try {
            Files.createDirectories(temporary);
            fill(temporary, model, position);
            force(temporary);
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
            force(run);
            return target;
        } catch (IOException | ModelException e) {
            String advice = e instanceof ModelException ? "" : "; make room or choose another folder";
            TrainException failure =
                    new TrainException("cannot write the checkpoint " + target + ": " + e.getMessage() + advice);
            failure.addSuppressed(e);
            try {
                delete(temporary);
            } catch (IOException again) {
                failure.addSuppressed(again);
            }
            throw failure;
        }
    }

    private void fill(Path folder, LanguageModel model, Position position) throws IOException {
        Manifest.TokenizerInfo tokenizer = manifest.tokenizer();
        CheckpointConfig checkpoint = new CheckpointConfig(
                model.architecture(),
                new TokenizerSpec(tokenizer.spec(), tokenizer.hash(), tokenizer.vocabulary(), tokenizer.endOfText()));
        Parameters parameters = model.parameters();
        String configText = JSON.writerWithDefaultPrettyPrinter()
                .writeValueAsString(checkpoint.toJson(parameters.precision().master()));
        String configSum = write(folder.resolve(CheckpointConfig.FILE), configText);
        try (Scope _ = Scope.open()) {
            String modelSum = CheckpointTensors.write(
                    folder.resolve(CheckpointTensors.MODEL_FILE), CheckpointTensors.parameters(parameters));
            List<CheckpointTensors.Named> moments =
                    new ArrayList<>(CheckpointTensors.states(parameters, AdamW.FIRST_MOMENT));
            moments.addAll(CheckpointTensors.states(parameters, AdamW.SECOND_MOMENT));
            String optimizerSum = CheckpointTensors.write(folder.resolve(CheckpointTensors.OPTIMIZER_FILE), moments);
            ObjectNode files = JSON.createObjectNode();
            addFile(files, folder.resolve(CheckpointConfig.FILE), configSum);
            addFile(files, folder.resolve(CheckpointTensors.MODEL_FILE), modelSum);
            addFile(files, folder.resolve(CheckpointTensors.OPTIMIZER_FILE), optimizerSum);
            writeState(folder.resolve(STATE_FILE), position, files);
        }
    }

    private void writeState(Path file, Position position, ObjectNode files) throws IOException {
        ObjectNode state = JSON.createObjectNode();
        state.put("format_version", CheckpointConfig.FORMAT_VERSION);
        state.put("step", position.step());
        state.put("tokens", position.tokens());
        state.put("sequences", position.step() * config.batch().sequences());
        state.put("seed", config.seed());
        state.putNull("loss_scale");
        state.putObject("metrics").put("loss", position.loss()).putNull("best");
        state.set("configuration", ConfigWriter.toJson(config));
        state.putObject("data").put("sha256", digest(JSON.writeValueAsString(manifest)));
        state.putObject("layout").put("world", 1).put("expert", 1);
        state.putObject("machine").put("threads", Libtorch.threads()).put("instruction_set", Libtorch.instructionSet());
        state.set("files", files);
        state.put("sha256", NO_DIGEST);
        String digest = digest(JSON.writerWithDefaultPrettyPrinter().writeValueAsString(state));
        state.put("sha256", digest);
        String _ = write(file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(state));
    }

    private static void addFile(ObjectNode files, Path file, String sha256) throws IOException {
        files.putObject(file.getFileName().toString())
                .put("bytes", Files.size(file))
                .put("sha256", sha256);
    }

    /** Writes a text, forced to the disk, and returns its SHA-256. */
    private static String write(Path file, String text) throws IOException {
        Files.writeString(file, text);
        force(file);
        return digest(text);
    }

    private static String digest(String text) {
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static void force(Path path) throws IOException {
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        Files.walkFileTree(folder, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.delete(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, IOException failure) throws IOException {
                Files.delete(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
