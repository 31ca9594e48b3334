package dev.moe4j.text.tokenizer;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.AtomicFile;
import dev.moe4j.base.json.Json;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * A {@code tokenizer.json} of Hugging Face's tokenizers.
 *
 * @param content as it is on the disk
 */
public record TokenizerFile(byte[] content) {
    private static final long MOST_BYTES = 1L << 28;

    /** What vocabularies call the token that ends a document, the surest first. */
    private static final List<String> ENDS =
            List.of(ByteLevelBpe.END_OF_TEXT, "</s>", "<|end_of_text|>", "<eos>", "<|eos|>", "[EOS]", "<end_of_text>");

    /** SHA-256 of the file, in hex. */
    public String hash() {
        MessageDigest digest = Sha256.digest();
        digest.update(content);
        return Sha256.hex(digest);
    }

    /** What is said about a dropout in the file; empty if it has none. */
    Optional<String> remark() {
        double dropout =
                Json.MAPPER.readTree(content).path("model").path("dropout").asDouble(0);
        return dropout == 0
                ? Optional.empty()
                : Optional.of("the tokenizer's dropout of " + dropout
                        + " is not applied, so that a text always has the same ids");
    }

    /**
     * Reads one. Byte-level encodings with GPT-2's pieces run in this process's own code, all others in the library.
     *
     * @param path of the file, or of the folder that has one of that name
     * @throws DataException if it is missing, damaged, or has no token that ends a document
     */
    static Tokenizer read(Path path) {
        Path file = Files.isDirectory(path) ? path.resolve(Tokenizer.FILE) : path;
        TokenizerFile content;
        JsonNode json;
        try {
            if (Files.size(file) > MOST_BYTES) {
                throw new DataException(
                        file + " has " + Files.size(file) + " bytes, too many for a tokenizer; give a tokenizer.json");
            }
            content = new TokenizerFile(Files.readAllBytes(file));
            json = Json.MAPPER.readTree(content.content);
        } catch (IOException e) {
            throw DataException.of("cannot read the tokenizer " + file, e, "give the path of a tokenizer.json");
        } catch (JacksonException e) {
            throw new DataException(
                    file + " is no valid JSON: " + DataException.oneLine(e.getOriginalMessage())
                            + "; give a tokenizer.json as Hugging Face's tokenizers write it",
                    e);
        }
        if (!json.path("model").isObject() || json.path("model").path("vocab").isEmpty()) {
            throw new DataException(
                    file + " has no model with a vocabulary, so it is no tokenizer; give a tokenizer.json"
                            + " as Hugging Face's tokenizers write it");
        }
        int end = endOfText(file, json);
        Optional<ByteLevelBpe> own = ByteLevelBpe.of(json, end);
        return own.isPresent() ? new GptTokenizer(own.get(), content) : NativeTokenizer.of(file, content, json, end);
    }

    private static int endOfText(Path file, JsonNode json) {
        Map<String, Integer> special = new TreeMap<>();
        for (JsonNode added : json.path("added_tokens")) {
            if (added.path("special").asBoolean(false)) {
                special.put(added.path("content").asString(""), added.path("id").asInt(-1));
            }
        }
        for (String name : ENDS) {
            @Nullable Integer id = special.get(name);
            if (id != null && id >= 0) {
                return id;
            }
        }
        List<String> names = new ArrayList<>(special.keySet());
        throw new DataException(file + " has no token that ends a document: among its special tokens"
                + (names.isEmpty() ? "" : " (" + DataException.oneLine(String.join(", ", names)) + ")") + " is none of "
                + String.join(", ", ENDS) + "; add one to its added_tokens");
    }

    /**
     * Writes it into a folder, where {@link Tokenizer#of(String, Path)} finds it.
     *
     * @throws DataException if that fails
     */
    void write(Path folder) {
        Path file = folder.resolve(Tokenizer.FILE);
        try {
            AtomicFile.write(file, content);
        } catch (IOException e) {
            throw DataException.of("cannot write " + file, e, "free some space there or choose another folder");
        }
    }
}
