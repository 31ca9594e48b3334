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
 * Holds the content of a {@code tokenizer.json} in the format of Hugging Face's tokenizers library.
 *
 * @param content the unchanged bytes of the file
 */
public record TokenizerFile(byte[] content) {
    private static final long MAX_BYTES = 1L << 28;

    /** Names that published vocabularies give to the end-of-text token, the least ambiguous first. */
    private static final List<String> END_OF_TEXT_NAMES =
            List.of(ByteLevelBpe.END_OF_TEXT, "</s>", "<|end_of_text|>", "<eos>", "<|eos|>", "[EOS]", "<end_of_text>");

    /** Returns the SHA-256 of the file, in hex. */
    public String hash() {
        MessageDigest digest = Sha256.digest();
        digest.update(content);
        return Sha256.hex(digest);
    }

    /** Returns the sentence that BPE dropout is not applied; empty if the file has no dropout. */
    Optional<String> remark() {
        double dropout =
                Json.MAPPER.readTree(content).path("model").path("dropout").asDouble(0);
        return dropout == 0
                ? Optional.empty()
                : Optional.of(
                        "the tokenizer's dropout of " + dropout + " is not applied, so a text always has the same ids");
    }

    /**
     * Reads a tokenizer. Byte-level BPE with GPT-2's pre-tokenization becomes a {@link GptTokenizer}. Any other
     * definition becomes a {@link NativeTokenizer}.
     *
     * @param path the file, or the folder with a {@code tokenizer.json}
     * @throws DataException if the file is missing or damaged, or has no end-of-text token
     */
    static Tokenizer read(Path path) {
        Path file = Files.isDirectory(path) ? path.resolve(Tokenizer.FILE) : path;
        TokenizerFile content;
        JsonNode json;
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw new DataException(
                        file + " has " + Files.size(file) + " bytes, too many for a tokenizer; give a tokenizer.json");
            }
            content = new TokenizerFile(Files.readAllBytes(file));
            json = Json.MAPPER.readTree(content.content);
        } catch (IOException e) {
            throw DataException.of("cannot read the tokenizer " + file, e, "give the path of a tokenizer.json");
        } catch (JacksonException e) {
            throw new DataException(
                    file + " is not valid JSON: " + DataException.oneLine(e.getOriginalMessage())
                            + "; give a tokenizer.json as Hugging Face's tokenizers write it",
                    e);
        }
        if (!json.path("model").isObject() || json.path("model").path("vocab").isEmpty()) {
            throw new DataException(
                    file + " has no model with a vocabulary, so it is not a tokenizer; give a tokenizer.json"
                            + " as Hugging Face's tokenizers write it");
        }
        int end = endOfText(file, json);
        Optional<ByteLevelBpe> bpe = ByteLevelBpe.of(json, end);
        return bpe.isPresent() ? new GptTokenizer(bpe.get(), content) : NativeTokenizer.of(file, content, json, end);
    }

    private static int endOfText(Path file, JsonNode json) {
        Map<String, Integer> special = new TreeMap<>();
        for (JsonNode added : json.path("added_tokens")) {
            if (added.path("special").asBoolean(false)) {
                special.put(added.path("content").asString(""), added.path("id").asInt(-1));
            }
        }
        for (String name : END_OF_TEXT_NAMES) {
            @Nullable Integer id = special.get(name);
            if (id != null && id >= 0) {
                return id;
            }
        }
        List<String> names = new ArrayList<>(special.keySet());
        throw new DataException(file + " has no token that ends a document; its special tokens "
                + (names.isEmpty() ? "" : "(" + DataException.oneLine(String.join(", ", names)) + ") ")
                + "include none of these: " + String.join(", ", END_OF_TEXT_NAMES) + "; add one to its added_tokens");
    }

    /**
     * Writes the file into a folder, where {@link Tokenizer#of(String, Path)} finds it.
     *
     * @throws DataException if the file cannot be written
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
