package dev.moe4j.text.tokenizer;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Encodes text with Hugging Face's tokenizers library, for any {@code tokenizer.json}. The native code comes with a jar
 * and is unpacked once to the folder {@code .djl.ai} in the user's home. Nothing is downloaded.
 *
 * <p>The library would recognize special tokens in the text. Since such text must be encoded as ordinary text, the
 * library gets a definition without special tokens. It also needs some hundred bytes per token. A text of more than
 * {@link #SEGMENT} characters is therefore encoded in segments that begin at line starts. Ids at these boundaries may
 * differ from those of an uncut encoding.
 */
public final class NativeTokenizer implements Tokenizer {
    /** The minimum length of a segment in characters, except for the last one of a text. The maximum is twice as much. */
    public static final int SEGMENT = 1 << 17;

    private static final String CACHE_ADVICE = "it is unpacked to .djl.ai in the home folder, or to the folder in"
            + " DJL_CACHE_DIR; make that folder writable";

    /** A vocabulary entry that matches no text. */
    private static final String UNMATCHABLE = "";

    private final TokenizerFile file;
    private final HuggingFaceLibrary library;
    private final byte[][] bytes;
    private final int endOfText;

    private NativeTokenizer(TokenizerFile file, HuggingFaceLibrary library, byte[][] bytes, int endOfText) {
        this.file = file;
        this.library = library;
        this.bytes = bytes;
        this.endOfText = endOfText;
    }

    static NativeTokenizer of(Path path, TokenizerFile file, JsonNode json, int endOfText) {
        byte[][] bytes = new VocabularyBytes(json).bytes();
        try {
            HuggingFaceLibrary library =
                    new HuggingFaceLibrary(withoutSpecial(json).toString());
            return new NativeTokenizer(file, library, bytes, endOfText);
        } catch (RuntimeException e) {
            throw new DataException(
                    path + " is not a tokenizer that the library accepts: "
                            + DataException.oneLine(String.valueOf(e.getMessage()))
                            + "; give a tokenizer.json as Hugging Face's tokenizers write it",
                    e);
        } catch (IOException e) {
            throw DataException.of("cannot unpack the library that reads " + path, e, CACHE_ADVICE);
        } catch (LinkageError e) {
            throw new DataException(
                    "the library that reads " + path + " cannot be loaded: "
                            + DataException.oneLine(String.valueOf(e.getMessage())) + "; " + CACHE_ADVICE,
                    e);
        }
    }

    /**
     * Returns the definition without special tokens and every step that inserts them: post-processing, truncation and
     * padding. BPE dropout is removed too, because it makes the ids of a text random.
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
                // Text must not match the special pieces. The library also looks up runs of characters that are not
                // pieces, so a special token's name must not remain in the list either.
                for (JsonNode piece : pieces) {
                    if (special.contains(piece.path(0).asString(""))) {
                        ((ArrayNode) piece).set(0, UNMATCHABLE);
                    }
                }
                addTo(pieces, kept);
            }
            default -> {} // the library reports the error
        }
        return plain;
    }

    /**
     * Puts added tokens into the vocabulary under their ids. Otherwise the library would renumber them from the end of
     * the vocabulary, where the special tokens were.
     */
    private static void addTo(ObjectNode vocabulary, ArrayNode added) {
        for (JsonNode token : added) {
            String content = token.path("content").asString("");
            if (!vocabulary.has(content)) {
                vocabulary.set(content, token.path("id"));
            }
        }
    }

    /** As above, for a vocabulary that is a list of pieces and log-probabilities, in which ids are indexes. */
    private static void addTo(ArrayNode vocabulary, ArrayNode added) {
        Set<String> contents = new HashSet<>();
        // The library derives the cost of unknown characters from the lowest score, so new entries must not lower it.
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
                    vocabulary.addArray().add(UNMATCHABLE).add(lowest);
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
            for (long id : library.ids(segment)) {
                out.accept((int) id);
            }
        });
    }

    /** {@inheritDoc} The library reports them, because the bytes of the tokens may differ from those of the text. */
    @Override
    public int[] offsets(String text) {
        IntList offsets = new IntList(text.length() / 3 + 8);
        AtomicInteger before = new AtomicInteger(); // characters of earlier segments
        Segments.forEach(this, text, segment -> {
            for (CharSpan span : library.spans(segment)) {
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
