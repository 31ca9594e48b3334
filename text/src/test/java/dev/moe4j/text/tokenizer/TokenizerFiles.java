package dev.moe4j.text.tokenizer;

import dev.moe4j.base.json.Json;
import dev.moe4j.text.tokenizer.ByteLevelBpe.Merge;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/** Files of tokenizers for tests, and the library's reading of them. */
public final class TokenizerFiles {
    private TokenizerFiles() {}

    /** GPT-2 as a {@code tokenizer.json}: each token's merge is of the two that its bytes are without it. */
    public static byte[] gpt2(Tokenizer gpt2) {
        int size = gpt2.vocabularySize();
        byte[][] tokens = new byte[size][];
        Map<String, Integer> ranks = new HashMap<>();
        List<Merge> merges = new ArrayList<>();
        for (int id = 0; id < size; id++) {
            tokens[id] = gpt2.bytes(id);
            if (tokens[id].length > 1) {
                List<String> parts = parts(ByteLevel.toCharacters(tokens[id]), ranks);
                if (parts.size() != 2) {
                    throw new AssertionError(id + " is of " + parts);
                }
                merges.add(new Merge(ranks.getOrDefault(parts.get(0), -1), ranks.getOrDefault(parts.get(1), -1), id));
            }
            ranks.put(ByteLevel.toCharacters(tokens[id]), id);
        }
        return new ByteLevelBpe(tokens, merges, gpt2.endOfText()).json();
    }

    /** Byte pair encoding as simple as can be. */
    static List<String> parts(String spelt, Map<String, Integer> ranks) {
        List<String> parts = new ArrayList<>();
        spelt.chars().forEach(c -> parts.add(String.valueOf((char) c)));
        while (true) {
            int best = Integer.MAX_VALUE;
            int at = -1;
            for (int i = 0; i + 1 < parts.size(); i++) {
                int rank = ranks.getOrDefault(parts.get(i) + parts.get(i + 1), Integer.MAX_VALUE);
                if (rank < best) {
                    best = rank;
                    at = i;
                }
            }
            if (at < 0) {
                return parts;
            }
            parts.set(at, parts.get(at) + parts.remove(at + 1));
        }
    }

    public static Path write(Path folder, byte[] json) throws IOException {
        return Files.write(folder.resolve(Tokenizer.FILE), json);
    }

    /** Returns the tokenizer that uses the native library, even if {@link GptTokenizer} supports the file. */
    public static NativeTokenizer byLibrary(Path file) throws IOException {
        byte[] content = Files.readAllBytes(file);
        JsonNode json = Json.MAPPER.readTree(content);
        int end = json.path("added_tokens").get(0).path("id").asInt();
        return NativeTokenizer.of(file, new TokenizerFile(content), json, end);
    }
}
