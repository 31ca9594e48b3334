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
 * The definition of a byte-level byte pair encoding with GPT-2's pieces: what a {@code tokenizer.json} of that kind
 * says, and nothing else.
 *
 * <p>Hugging Face's encoding applies the first merge of the list that applies, jtokkit's joins the neighbours whose
 * bytes together are the token of the lowest id. Both make the same ids of any text if the ids grow along the list and
 * {@linkplain #followsRanks each token by itself encodes to itself}: as tokens are never taken apart, what happens inside
 * the bytes of a token whose ends are ends of tokens does not depend on what is around it; so where jtokkit finds two
 * neighbours that are a token together, they are the last two parts of the token by itself, which are its merge.
 *
 * @param tokens the bytes of each id; none for special ones
 * @param merges the two ids that each merge joins, in order
 * @param endOfText the id that ends a document
 */
public record ByteLevelBpe(byte[][] tokens, List<Merge> merges, int endOfText) {
    static final String END_OF_TEXT = "<|endoftext|>";

    /** Joins two tokens to one. */
    public record Merge(int left, int right, int joined) {}

    /**
     * Reads the definition. Its dropout is left out: it is meant for training, and would give a text other ids each time.
     *
     * @param json of a {@code tokenizer.json}
     * @return none if it says more than can be said here, or jtokkit would encode otherwise
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
        return plain ? read(json, endOfText).filter(ByteLevelBpe::followsRanks) : Optional.empty();
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
                    special.contains(entry.getKey()) ? Optional.of(new byte[0]) : ByteLevel.read(entry.getKey());
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

    private boolean followsRanks() {
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

    /** Whether the merges make one token, this one, of its bytes. */
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

    /** The encoding by jtokkit. */
    Encoding encoding(String name) {
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

    /** As a {@code tokenizer.json}; the end of text is the one special token. */
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
            vocabulary.put(id == endOfText ? END_OF_TEXT : ByteLevel.spell(tokens[id]), id);
        }
        ArrayNode list = model.putArray("merges");
        for (Merge merge : merges) {
            list.addArray().add(ByteLevel.spell(tokens[merge.left])).add(ByteLevel.spell(tokens[merge.right]));
        }
        return Json.indented(json).getBytes(StandardCharsets.UTF_8);
    }
}
