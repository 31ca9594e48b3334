package dev.moe4j.model.checkpoint;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.formats.safetensors.SafetensorsFile;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A checkpoint's state.json: the training state, with sizes and checksums of all files of the checkpoint, including its
 * own.
 */
public final class CheckpointState {

    /** The file's name in a checkpoint's folder. */
    public static final String FILE = "state.json";

    private static final String SUM = "sha256";
    private static final String NO_SUM = "0".repeat(64);
    private static final JsonMapper JSON = new JsonMapper();

    private final Path file;
    private final JsonNode json;

    private CheckpointState(Path file, JsonNode json) {
        this.file = file;
        this.json = json;
    }

    /** The state in a folder; null if there is none. */
    static @Nullable CheckpointState read(Path folder) {
        Path file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            return null;
        }
        try {
            String text = Files.readString(file);
            JsonNode json = JSON.readTree(text);
            String sum = json.path(SUM).asString("");
            int at = text.lastIndexOf(sum);
            if (sum.length() != NO_SUM.length()
                    || at < 0
                    || !Sha256.of(text.substring(0, at) + NO_SUM + text.substring(at + sum.length()))
                            .equals(sum)) {
                throw new ModelException(file + " is damaged: its SHA-256 differs from its key " + SUM
                        + "; copy it again or use an older checkpoint");
            }
            return new CheckpointState(file, json);
        } catch (IOException | JacksonException e) {
            throw new ModelException("Cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    /** The file's content for a state, with its own checksum as the last key. */
    public static String text(ObjectNode state) {
        state.remove(SUM);
        state.put(SUM, NO_SUM);
        String sum = Sha256.of(JSON.writerWithDefaultPrettyPrinter().writeValueAsString(state));
        state.put(SUM, sum);
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(state);
    }

    JsonNode json() {
        return json;
    }

    void check(SafetensorsFile stored) {
        check(stored.path(), stored::sha256);
    }

    void check(Path text) {
        check(text, () -> {
            try {
                return Sha256.of(Files.readString(text));
            } catch (IOException e) {
                throw new ModelException("Cannot read " + text + ": " + DataException.reason(e), e);
            }
        });
    }

    private void check(Path stored, Supplier<String> sum) {
        String name = stored.getFileName().toString();
        JsonNode noted = json.path("files").path(name);
        if (!noted.path("bytes").isIntegralNumber() || !noted.path(SUM).isString()) {
            throw new ModelException(file + ": files." + name + " with bytes and " + SUM + " is missing");
        }
        long bytes = noted.path("bytes").asLong();
        try {
            long found = Files.size(stored);
            if (found != bytes) {
                throw new ModelException(stored + " has " + found + " bytes, but " + FILE + " says " + bytes
                        + "; copy it again or use an older checkpoint");
            }
        } catch (IOException e) {
            throw new ModelException("Cannot read " + stored + ": " + DataException.reason(e), e);
        }
        if (!sum.get().equals(noted.path(SUM).asString())) {
            throw new ModelException(stored + " is damaged: its SHA-256 differs from the one in " + FILE
                    + "; copy it again or use an older checkpoint");
        }
    }
}
