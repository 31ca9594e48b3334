package dev.moe4j.text.tokenizer;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import ai.djl.huggingface.tokenizers.jni.CharSpan;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.text.DataException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Any {@code tokenizer.json}, encoded by Hugging Face's own library, whose native code is in a jar and is unpacked to
 * the user's folder {@code .djl.ai} once; nothing is fetched from a network.
 *
 * <p>The library looks for special tokens in text, which here is to be text; so it is given a definition without them.
 * It also needs some hundred bytes a token, so a text of more than {@link #SEGMENT} characters is encoded in segments,
 * which begin where a line does. Ids at those places may differ from those of the text in one piece.
 */
public final class NativeTokenizer implements Tokenizer {
    /** A segment has at least so many characters, if the text has them, and at most twice as many. */
    public static final int SEGMENT = 1 << 17;

    /** The piece that no text has. */
    private static final String NOWHERE = "";

    static {
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("TOKENIZERS_FLAVOR", "cpu");
    }

    private final TokenizerFile file;
    private final HuggingFaceTokenizer library;
    private final byte[][] bytes;
    private final int endOfText;

    private NativeTokenizer(TokenizerFile file, HuggingFaceTokenizer library, byte[][] bytes, int endOfText) {
        this.file = file;
        this.library = library;
        this.bytes = bytes;
        this.endOfText = endOfText;
    }

    static NativeTokenizer of(Path path, TokenizerFile file, JsonNode json, int endOfText) {
        byte[][] bytes = new VocabularyBytes(json).bytes();
        byte[] definition = withoutSpecial(json).toString().getBytes(StandardCharsets.UTF_8);
        try {
            HuggingFaceTokenizer library = HuggingFaceTokenizer.newInstance(
                    new ByteArrayInputStream(definition),
                    Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false"));
            return new NativeTokenizer(file, library, bytes, endOfText);
        } catch (IOException | RuntimeException e) {
            throw new DataException(
                    path + " is no tokenizer that the library takes: "
                            + DataException.oneLine(String.valueOf(e.getMessage()))
                            + "; give a tokenizer.json as Hugging Face's tokenizers write it",
                    e);
        } catch (LinkageError e) {
            throw new DataException(
                    "the library that reads " + path + " cannot be loaded: "
                            + DataException.oneLine(String.valueOf(e.getMessage()))
                            + "; it is unpacked to .djl.ai in the home folder, or where DJL_CACHE_DIR says: make that"
                            + " writable",
                    e);
        }
    }

    /**
     * The definition with nothing in it that would find, put, cut off or fill in special tokens, and without dropout, which
     * would give a text other ids each time.
     */
    private static ObjectNode withoutSpecial(JsonNode json) {
        ObjectNode plain = (ObjectNode) json.deepCopy();
        plain.putNull("truncation").putNull("padding").putNull("post_processor");
        if (plain.path("model") instanceof ObjectNode model && model.has("dropout")) {
            model.putNull("dropout");
        }
        Set<String> special = new HashSet<>();
        ArrayNode kept = plain.putArray("added_tokens");
        for (JsonNode added : json.path("added_tokens")) {
            if (added.path("special").asBoolean(false)) {
                special.add(added.path("content").asString(""));
            } else {
                kept.add(added);
            }
        }
        switch (plain.path("model").path("vocab")) {
            case ObjectNode ids -> addTo(ids, kept);
            case ArrayNode pieces -> {
                // Text must not match them, nor have characters that are no piece and together are their names, which
                // the library looks up.
                for (JsonNode piece : pieces) {
                    if (special.contains(piece.path(0).asString(""))) {
                        ((ArrayNode) piece).set(0, NOWHERE);
                    }
                }
                addTo(pieces, kept);
            }
            default -> {} // the library says what is wrong
        }
        return plain;
    }

    /**
     * Gives added tokens their ids: those that the library does not find in the vocabulary it numbers anew, from its end
     * on, where the special ones were.
     */
    private static void addTo(ObjectNode vocabulary, ArrayNode added) {
        for (JsonNode token : added) {
            String content = token.path("content").asString("");
            if (!vocabulary.has(content)) {
                vocabulary.set(content, token.path("id"));
            }
        }
    }

    /** The same where ids are places in a list of pieces and their log-probabilities. */
    private static void addTo(ArrayNode vocabulary, ArrayNode added) {
        Set<String> contents = new HashSet<>();
        // No lower one: by the lowest the library reckons what characters that are no piece cost.
        double lowest = Double.POSITIVE_INFINITY;
        for (JsonNode piece : vocabulary) {
            contents.add(piece.path(0).asString(""));
            lowest = Math.min(lowest, piece.path(1).asDouble(0));
        }
        for (JsonNode token : added) {
            String content = token.path("content").asString("");
            if (contents.add(content)) {
                int id = token.path("id").asInt(-1);
                while (vocabulary.size() <= id) {
                    vocabulary.addArray().add(NOWHERE).add(lowest);
                }
                vocabulary.set(id, vocabulary.arrayNode().add(content).add(lowest));
            }
        }
    }

    @Override
    public String spec() {
        return FILE;
    }

    TokenizerFile file() {
        return file;
    }

    @Override
    public void save(Path folder) {
        file.write(folder);
    }

    @Override
    public Optional<String> remark() {
        return file.remark();
    }

    @Override
    public int vocabularySize() {
        return bytes.length;
    }

    @Override
    public int endOfText() {
        return endOfText;
    }

    @Override
    public void encode(String text, IntConsumer out) {
        Segments.forEach(this, text, segment -> {
            for (long id : library.encode(segment, false, false).getIds()) {
                out.accept((int) id);
            }
        });
    }

    /** The library reports the offsets: the tokens' bytes need not be those of the text. */
    @Override
    public int[] offsets(String text) {
        IntList offsets = new IntList(text.length() / 3 + 8);
        AtomicInteger before = new AtomicInteger(); // characters of earlier segments
        Segments.forEach(this, text, segment -> {
            for (CharSpan span : library.encode(segment, false, false).getCharTokenSpans()) {
                offsets.accept(before.get() + span.getStart());
            }
            before.addAndGet(segment.codePointCount(0, segment.length()));
        });
        return offsets.toArray();
    }

    @Override
    public int segmentEnd(String text, int from) {
        if (text.length() - from <= SEGMENT) {
            return text.length();
        }
        int limit = (int) Math.min(text.length(), from + 2L * SEGMENT);
        for (int at = from + SEGMENT; at < limit; at++) {
            if (text.charAt(at - 1) == '\n' && !Character.isWhitespace(text.charAt(at))) {
                return at;
            }
        }
        boolean inPair = limit < text.length() && Character.isSurrogatePair(text.charAt(limit - 1), text.charAt(limit));
        return inPair ? limit - 1 : limit;
    }

    @Override
    public byte[] bytes(int id) {
        if (id < 0 || id >= bytes.length) {
            throw new DataException("no token has the id " + id + " in " + FILE + "; ids go from 0 to "
                    + (bytes.length - 1) + ": use the tokenizer that made the ids");
        }
        return bytes[id].clone();
    }

    @Override
    public String hash() {
        return file.hash();
    }
}
