package dev.moe4j.text.tokenizer;

import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.IntArrayList;
import dev.moe4j.text.DataException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Byte-level byte pair encoding with GPT-2's pieces: GPT-2's ranks, all of them or the lowest, or those of a file.
 *
 * <p>A regular expression cuts the text into pieces (words with the space before them, numbers, punctuation, white
 * space); merges happen inside a piece only. This class cuts long text into segments at places where a piece ends
 * whatever follows, so that a segment has the ids that it has within the whole, and memory stays bounded. Those places
 * are between two characters of which the first is a letter, a number or another mark, and the second is not of that
 * kind. Two are left out. After white space, because the last space of a run belongs to the word after it. After an
 * apostrophe, because {@code 's} and the like are pieces of their own.
 *
 * <p>Where a single piece is longer than {@link #LONGEST_PIECE} characters it is cut inside. That may change ids there
 * against an uncut encoding; the text still decodes exactly.
 */
public final class GptTokenizer implements Tokenizer {
    /** A segment is at least so many characters, if the text has them. */
    public static final int SEGMENT = 1 << 16;

    /** Pieces up to this many characters have the encoding's own ids. */
    public static final int LONGEST_PIECE = 1 << 17;

    private final String spec;
    private final Encoding encoding;
    private final byte[][] bytes;
    private final int endOfText;
    private final String hash;
    private final Optional<TokenizerFile> file;

    /** With GPT-2's ids; the last is the end of text. */
    GptTokenizer(String spec, Encoding encoding, byte[][] bytes) {
        this.spec = spec;
        this.encoding = encoding;
        this.bytes = bytes;
        this.endOfText = bytes.length - 1;
        this.hash = Tokenizers.hash("gpt2-bpe", bytes);
        this.file = Optional.empty();
    }

    /** With the ids of a file, whose definition is given beside it. */
    GptTokenizer(ByteLevelBpe definition, TokenizerFile file) {
        this.spec = Tokenizer.FILE;
        this.encoding = definition.encoding(spec);
        this.bytes = definition.tokens();
        this.endOfText = definition.endOfText();
        this.hash = file.hash();
        this.file = Optional.of(file);
    }

    @Override
    public String spec() {
        return spec;
    }

    /** The file that it was read from; empty for GPT-2's own ranks. */
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
     * At most three pieces in a row have no cut between them (white space, punctuation with an apostrophe at its end, a
     * word), so pieces of up to {@code longest} characters are never cut inside.
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
