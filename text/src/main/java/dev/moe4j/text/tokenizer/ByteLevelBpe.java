package dev.moe4j.text.tokenizer;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingRegistry;
import com.knuddels.jtokkit.api.GptBytePairEncodingParams;
import dev.moe4j.base.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * Defines a byte-level byte pair encoding (BPE) with GPT-2's pre-tokenization: a vocabulary and a list of merges.
 *
 * <p>Hugging Face's encoder applies the earliest merge in the list. The encoder of jtokkit joins the neighbors whose
 * concatenation is the token with the lowest id. Both give the same ids for every text if ids increase along the
 * merge list and {@linkplain #mergesFollowRanks every token encodes to itself}. The reason is that tokens are never
 * split again. If both ends of a token's bytes are token boundaries, the merges between them do not depend on the
 * surrounding text. So when jtokkit joins two neighbors into a token, they are the last two parts of that token when it
 * is encoded alone, and joining those two parts is its merge.
 *
 * @param tokens the bytes of each id, {@code [vocabulary][]}; empty for special tokens
 * @param merges the merges in the order in which they apply
 * @param endOfText the id of the token that ends a document
 */
public record ByteLevelBpe(byte[][] tokens, List<Merge> merges, int endOfText) {
    static final String END_OF_TEXT = "<|endoftext|>";

    /** Joins two neighboring tokens into one. All three components are token ids. */
    public record Merge(int left, int right, int joined) {}

    /**
     * Reads a definition. BPE dropout is ignored because it makes the ids of a text random.
     *
     * @param json the content of a {@code tokenizer.json}
     * @return empty if the file uses other features, or if jtokkit's ids could differ from Hugging Face's
     */
    static Optional<ByteLevelBpe> of(JsonNode json, int endOfText) {
        JsonNode model = json.path("model");
        JsonNode pieces = json.path("pre_tokenizer");
        boolean plain = model.path("type").asString("BPE").equals("BPE")
                && model.path("unk_token").asString("").isEmpty()
                && model.path("continuing_subword_prefix").asString("").isEmpty()
                && model.path("end_of_word_suffix").asString("").isEmpty()
                && !model.path("byte_fallback").asBoolean(false)
                && json.path("normalizer").isNull()
                && pieces.path("type").asString("").equals("ByteLevel")
                && !pieces.path("add_prefix_space").asBoolean(true)
                && pieces.path("use_regex").asBoolean(true);
        return plain ? read(json, endOfText).filter(ByteLevelBpe::mergesFollowRanks) : Optional.empty();
    }

    private static Optional<ByteLevelBpe> read(JsonNode json, int endOfText) {
        Map<String, Integer> ids = new HashMap<>();
        json.path("model")
                .path("vocab")
                .properties()
                .forEach(e -> ids.put(e.getKey(), e.getValue().asInt(-1)));
        Set<String> special = new HashSet<>();
        for (JsonNode added : json.path("added_tokens")) {
            if (!added.path("special").asBoolean(false)) {
                return Optional.empty();
            }
            String content = added.path("content").asString("");
            special.add(content);
            ids.put(content, added.path("id").asInt(-1));
        }
        byte[][] tokens = new byte[ids.size()][];
        for (Map.Entry<String, Integer> entry : ids.entrySet()) {
            int id = entry.getValue();
            Optional<byte[]> bytes =
                    special.contains(entry.getKey()) ? Optional.of(new byte[0]) : ByteLevel.toBytes(entry.getKey());
            if (bytes.isEmpty() || id < 0 || id >= tokens.length || tokens[id] != null) {
                return Optional.empty();
            }
            tokens[id] = bytes.get();
        }
        List<Merge> merges = new ArrayList<>();
        for (JsonNode merge : json.path("model").path("merges")) {
            String[] pair = merge.isArray() && merge.size() == 2
                    ? new String[] {merge.get(0).asString(""), merge.get(1).asString("")}
                    : merge.asString("").split(" ", 2);
            if (pair.length != 2) {
                return Optional.empty();
            }
            int left = ids.getOrDefault(pair[0], -1);
            int right = ids.getOrDefault(pair[1], -1);
            int joined = ids.getOrDefault(pair[0] + pair[1], -1);
            if (left < 0 || right < 0 || joined < 0) {
                return Optional.empty();
            }
            merges.add(new Merge(left, right, joined));
        }
        return Optional.of(new ByteLevelBpe(tokens, merges, endOfText));
    }

    private boolean mergesFollowRanks() {
        Map<Long, Integer> ranks = HashMap.newHashMap(merges.size());
        int before = -1;
        for (Merge merge : merges) {
            if (merge.joined <= before) {
                return false;
            }
            before = merge.joined;
            ranks.put(pair(merge.left, merge.right), merge.joined);
        }
        int[] bytes = new int[256];
        Arrays.fill(bytes, -1);
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id].length == 1) {
                bytes[tokens[id][0] & 0xff] = id;
            }
        }
        if (Arrays.stream(bytes).anyMatch(id -> id < 0)) {
            return false;
        }
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id].length > 0 && !encodesTo(id, bytes, ranks)) {
                return false;
            }
        }
        return true;
    }

    /** Whether the merges turn the bytes of a token into that token alone. */
    private boolean encodesTo(int id, int[] bytes, Map<Long, Integer> ranks) {
        int length = tokens[id].length;
        int[] parts = new int[length];
        for (int i = 0; i < length; i++) {
            parts[i] = bytes[tokens[id][i] & 0xff];
        }
        while (length > 1) {
            int best = Integer.MAX_VALUE;
            int at = -1;
            for (int i = 0; i + 1 < length; i++) {
                int joined = ranks.getOrDefault(pair(parts[i], parts[i + 1]), Integer.MAX_VALUE);
                if (joined < best) {
                    best = joined;
                    at = i;
                }
            }
            if (at < 0) {
                return false;
            }
            parts[at] = best;
            System.arraycopy(parts, at + 2, parts, at + 1, length - at - 2);
            length--;
        }
        return parts[0] == id;
    }

    private static long pair(int left, int right) {
        return (long) left << 32 | right;
    }

    Encoding toJtokkit(String name) {
        Map<byte[], Integer> ranks = HashMap.newHashMap(tokens.length);
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id].length > 0) {
                ranks.put(tokens[id], id);
            }
        }
        EncodingRegistry registry = Encodings.newLazyEncodingRegistry();
        registry.registerGptBytePairEncoding(new GptBytePairEncodingParams(name, Tokenizers.PIECES, ranks, Map.of()));
        return registry.getEncoding(name).orElseThrow();
    }

    /** Returns the content of a {@code tokenizer.json} whose only special token is the end of text. */
    public byte[] json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("version", "1.0").putNull("truncation").putNull("padding");
        json.putArray("added_tokens")
                .addObject()
                .put("id", endOfText)
                .put("content", END_OF_TEXT)
                .put("single_word", false)
                .put("lstrip", false)
                .put("rstrip", false)
                .put("normalized", false)
                .put("special", true);
        json.putNull("normalizer");
        for (String part : List.of("pre_tokenizer", "post_processor", "decoder")) {
            json.putObject(part)
                    .put("type", "ByteLevel")
                    .put("add_prefix_space", false)
                    .put("trim_offsets", true)
                    .put("use_regex", true);
        }
        ObjectNode model = json.putObject("model").put("type", "BPE");
        model.putNull("dropout").putNull("unk_token");
        model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
        model.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < tokens.length; id++) {
            vocabulary.put(id == endOfText ? END_OF_TEXT : ByteLevel.toCharacters(tokens[id]), id);
        }
        ArrayNode list = model.putArray("merges");
        for (Merge merge : merges) {
            list.addArray()
                    .add(ByteLevel.toCharacters(tokens[merge.left]))
                    .add(ByteLevel.toCharacters(tokens[merge.right]));
        }
        return Json.indented(json).getBytes(StandardCharsets.UTF_8);
    }
}
