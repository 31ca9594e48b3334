package dev.moe4j.text.tokenizer;

import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.IntArrayList;
import dev.moe4j.text.DataException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Encodes text by byte-level byte pair encoding (BPE) with GPT-2's pre-tokenization. The vocabulary is GPT-2's, a
 * prefix of it, or read from a file.
 *
 * <p>A regular expression splits the text into pieces: words with the preceding space, numbers, punctuation and white
 * space. Merges happen only within a piece. To bound memory, this class cuts a long text into segments. It cuts only
 * where a piece ends regardless of the text on either side, so the ids of a segment are the same as in the full text.
 * Such a cut lies between two characters of different kinds (letter, number, white space, other), with two exceptions.
 * There is no cut after white space, because the last space of a run belongs to the next word. There is no cut after an
 * apostrophe, because contractions such as {@code 's} are separate pieces.
 *
 * <p>A single piece longer than {@link #LONGEST_PIECE} characters is cut inside. Its ids may then differ from those of
 * an uncut encoding, but the text still decodes exactly.
 */
public final class GptTokenizer implements Tokenizer {
    /** The minimum length of a segment in characters, except for the last segment of a text. */
    public static final int SEGMENT = 1 << 16;

    /** The longest piece, in characters, that is never cut. */
    public static final int LONGEST_PIECE = 1 << 17;

    private final String spec;
    private final Encoding encoding;
    private final byte[][] bytes;
    private final int endOfText;
    private final String hash;
    private final Optional<TokenizerFile> file;

    /** Uses GPT-2's vocabulary or a prefix of it. The last id is the end of text. */
    GptTokenizer(String spec, Encoding encoding, byte[][] bytes) {
        this.spec = spec;
        this.encoding = encoding;
        this.bytes = bytes;
        this.endOfText = bytes.length - 1;
        this.hash = Tokenizers.hash("gpt2-bpe", bytes);
        this.file = Optional.empty();
    }

    /** Uses the vocabulary of a file. {@code definition} is the parsed content of {@code file}. */
    GptTokenizer(ByteLevelBpe definition, TokenizerFile file) {
        this.spec = Tokenizer.FILE;
        this.encoding = definition.toJtokkit(spec);
        this.bytes = definition.tokens();
        this.endOfText = definition.endOfText();
        this.hash = file.hash();
        this.file = Optional.of(file);
    }

    @Override
    public String spec() {
        return spec;
    }

    /** Returns the file that defines the vocabulary; empty for GPT-2's vocabulary. */
    Optional<TokenizerFile> file() {
        return file;
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
    public Optional<String> remark() {
        return file.flatMap(TokenizerFile::remark);
    }

    @Override
    public void save(Path folder) {
        file.ifPresent(content -> content.write(folder));
    }

    @Override
    public void encode(String text, IntConsumer out) {
        Segments.forEach(this, text, segment -> {
            IntArrayList ids = encoding.encodeOrdinary(segment);
            for (int i = 0; i < ids.size(); i++) {
                out.accept(ids.get(i));
            }
        });
    }

    @Override
    public int segmentEnd(String text, int from) {
        return segmentEnd(text, from, SEGMENT, LONGEST_PIECE);
    }

    /**
     * Returns the end of a segment, an index in {@code text}.
     *
     * <p>At most three consecutive pieces have no cut between them: white space, punctuation that ends in an apostrophe,
     * and a word. Searching three times {@code longest} characters therefore never cuts a piece of up to that length.
     *
     * @param from the start of the segment
     * @param least the minimum length of a segment, in characters
     * @param longest the longest piece that must not be cut, in characters
     */
    public static int segmentEnd(String text, int from, int least, int longest) {
        if (text.length() - from <= least) {
            return text.length();
        }
        long limit = Math.min(text.length(), (long) from + least + 3L * longest);
        int at = from + least;
        for (; at < limit; at++) {
            if (endsPiece(text, at)) {
                return at;
            }
        }
        if (at == text.length()) {
            return at;
        }
        return Character.isSurrogatePair(text.charAt(at - 1), text.charAt(at)) ? at - 1 : at;
    }

    private static boolean endsPiece(String text, int at) {
        if (text.charAt(at - 1) == '\'' || Character.isLowSurrogate(text.charAt(at))) {
            return false;
        }
        Kind before = Kind.of(text.codePointBefore(at));
        return before != Kind.SPACE && before != Kind.of(text.codePointAt(at));
    }

    /** The character classes of GPT-2's pre-tokenization. */
    public enum Kind {
        LETTER,
        NUMBER,
        SPACE,
        OTHER;

        public static Kind of(int c) {
            if (c < 128) {
                if ((c | 32) >= 'a' && (c | 32) <= 'z') {
                    return LETTER;
                }
                if (c >= '0' && c <= '9') {
                    return NUMBER;
                }
                return c == ' ' || (c >= 9 && c <= 13) ? SPACE : OTHER;
            }
            return switch (Character.getType(c)) {
                case Character.UPPERCASE_LETTER,
                        Character.LOWERCASE_LETTER,
                        Character.TITLECASE_LETTER,
                        Character.MODIFIER_LETTER,
                        Character.OTHER_LETTER -> LETTER;
                case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
                case Character.SPACE_SEPARATOR, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> SPACE;
                default -> c == 0x85 ? SPACE : OTHER;
            };
        }
    }

    @Override
    public byte[] bytes(int id) {
        if (id < 0 || id >= bytes.length) {
            throw new DataException("no token has the id " + id + " in " + spec + "; ids go from 0 to "
                    + (bytes.length - 1) + ": use the tokenizer that made the ids");
        }
        return bytes[id].clone();
    }

    @Override
    public String hash() {
        return hash;
    }
}
