package dev.moe4j.text.tokenizer;

import dev.moe4j.base.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Generates the files from which Hugging Face's libraries load a tokenizer. docs/checkpoint-format.md documents their
 * keys.
 */
public final class TokenizerJson {

    private static final String CONFIG_FILE = "tokenizer_config.json";

    private TokenizerJson() {}

    /**
     * Returns {@code tokenizer.json} and {@code tokenizer_config.json}: the content of each file by its name.
     *
     * @param context the model's context length, in tokens
     */
    public static Map<String, byte[]> files(Tokenizer tokenizer, int context) {
        byte[] json = of(tokenizer);
        return Map.of(Tokenizer.FILE, json, CONFIG_FILE, config(json, tokenizer.endOfText(), context));
    }

    /** Returns the content of {@code tokenizer.json}: the file the tokenizer was read from, or a generated one. */
    public static byte[] of(Tokenizer tokenizer) {
        return switch (tokenizer) {
            case ByteTokenizer bytes -> generated(bytes);
            case GptTokenizer gpt -> gpt.file().map(TokenizerFile::content).orElseGet(() -> generated(gpt));
            case NativeTokenizer library -> library.file().content();
        };
    }

    private static byte[] config(byte[] tokenizer, int endOfText, int context) {
        ObjectNode config = Json.MAPPER.createObjectNode().put("tokenizer_class", "PreTrainedTokenizerFast");
        for (JsonNode added : Json.MAPPER.readTree(tokenizer).path("added_tokens")) {
            if (added.path("id").asInt(-1) == endOfText) {
                config.set("eos_token", added.path("content"));
            }
        }
        config.put("model_max_length", context).put("clean_up_tokenization_spaces", false);
        return (config.toPrettyString() + "\n").getBytes(StandardCharsets.UTF_8);
    }

    /** Generates a byte-level BPE from a vocabulary whose ids follow the order of the merges, like GPT-2's. */
    private static byte[] generated(Tokenizer tokenizer) {
        byte[][] tokens = new byte[tokenizer.vocabularySize()][];
        Map<String, Integer> ranks = HashMap.newHashMap(tokens.length);
        for (int id = 0; id < tokens.length; id++) {
            tokens[id] = tokenizer.bytes(id);
            if (id != tokenizer.endOfText()) {
                ranks.put(latin1(tokens[id]), id);
            }
        }
        List<ByteLevelBpe.Merge> merges = new ArrayList<>();
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id].length > 1) {
                merges.add(merge(latin1(tokens[id]), id, ranks));
            }
        }
        return new ByteLevelBpe(tokens, merges, tokenizer.endOfText()).json();
    }

    private static String latin1(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** Returns the merge that completes a token. It joins the two parts that the merges with lower ids leave. */
    private static ByteLevelBpe.Merge merge(String token, int id, Map<String, Integer> ranks) {
        List<String> parts = new ArrayList<>(List.of(token.split("")));
        while (parts.size() > 2) {
            int best = -1;
            int lowest = id;
            for (int i = 0; i + 1 < parts.size(); i++) {
                int rank = ranks.getOrDefault(parts.get(i) + parts.get(i + 1), Integer.MAX_VALUE);
                if (rank < lowest) {
                    lowest = rank;
                    best = i;
                }
            }
            if (best < 0) {
                throw new IllegalStateException("the merges with lower ids leave more than two parts of token " + id);
            }
            parts.set(best, parts.get(best) + parts.remove(best + 1));
        }
        return new ByteLevelBpe.Merge(rank(parts.getFirst(), ranks), rank(parts.getLast(), ranks), id);
    }

    private static int rank(String part, Map<String, Integer> ranks) {
        Integer rank = ranks.get(part);
        if (rank == null) {
            throw new IllegalStateException("a part of a token is not in the vocabulary");
        }
        return rank;
    }
}
