package dev.moe4j.text.tokenizer;

import dev.moe4j.text.DataException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import tools.jackson.databind.JsonNode;

/** Maps the vocabulary entries of a {@code tokenizer.json} to bytes, following the file's decoder. */
final class VocabularyBytes {
    private static final Pattern BYTE = Pattern.compile("<0x([0-9A-Fa-f]{2})>");
    private static final char SPACE = '\u2581';

    private final JsonNode json;
    private final boolean byteLevel;
    private final boolean wordPieces;
    private final boolean byteFallback;
    private final String wordEnd;

    VocabularyBytes(JsonNode json) {
        this.json = json;
        byteLevel = decoderStep("ByteLevel").isPresent();
        wordPieces = decoderStep("WordPiece").isPresent();
        byteFallback = decoderStep("ByteFallback").isPresent();
        wordEnd = decoderStep("BPEDecoder")
                .map(decoder -> decoder.path("suffix").asString("</w>"))
                .orElse("");
    }

    /** Returns the decoder of the given type: the tokenizer's decoder, or one in its sequence of decoders. */
    private Optional<JsonNode> decoderStep(String type) {
        JsonNode decoder = json.path("decoder");
        if (decoder.path("type").asString("").equals(type)) {
            return Optional.of(decoder);
        }
        for (JsonNode step : decoder.path("decoders")) {
            if (step.path("type").asString("").equals(type)) {
                return Optional.of(step);
            }
        }
        return Optional.empty();
    }

    /** Returns the bytes of each id, {@code [vocabulary][]}; empty for special tokens and unused ids. */
    byte[][] bytes() {
        TreeMap<Integer, byte[]> bytes = new TreeMap<>();
        JsonNode vocabulary = json.path("model").path("vocab");
        if (vocabulary.isArray()) {
            for (int id = 0; id < vocabulary.size(); id++) {
                bytes.put(id, bytes(vocabulary.get(id).path(0).asString("")));
            }
        } else {
            vocabulary.properties().forEach(e -> bytes.put(e.getValue().asInt(-1), bytes(e.getKey())));
        }
        for (JsonNode added : json.path("added_tokens")) {
            String text = added.path("special").asBoolean(false)
                    ? ""
                    : added.path("content").asString("");
            bytes.put(added.path("id").asInt(-1), text.getBytes(StandardCharsets.UTF_8));
        }
        if (bytes.firstKey() < 0 || bytes.lastKey() > 1 << 24) {
            throw new DataException(
                    "a tokenizer.json has the invalid id " + (bytes.firstKey() < 0 ? bytes.firstKey() : bytes.lastKey())
                            + "; give one as Hugging Face's tokenizers write it");
        }
        byte[][] all = new byte[bytes.lastKey() + 1][];
        Arrays.fill(all, new byte[0]);
        bytes.forEach((id, token) -> all[id] = token);
        return all;
    }

    private byte[] bytes(String token) {
        if (byteLevel) {
            return ByteLevel.toBytes(token).orElseGet(() -> token.getBytes(StandardCharsets.UTF_8));
        }
        Matcher oneByte = BYTE.matcher(token);
        if (byteFallback && oneByte.matches()) {
            return new byte[] {(byte) Integer.parseInt(oneByte.group(1), 16)};
        }
        String text;
        if (wordPieces) {
            text = token.startsWith("##") ? token.substring(2) : " " + token;
        } else if (!wordEnd.isEmpty() && token.endsWith(wordEnd)) {
            text = token.substring(0, token.length() - wordEnd.length()) + " ";
        } else {
            text = token.replace(SPACE, ' ');
        }
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
