package dev.moe4j.text.tokenizer;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.base.text.Utf8;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Converts text to token ids and back without loss. {@code decodeBytes(encode(text))} returns the UTF-8 bytes of the
 * text, unless a {@code tokenizer.json} changes the text (a normalizer, an added leading space). Unpaired surrogates in
 * a string are read as U+FFFD.
 *
 * <p>Text that looks like a special token is encoded as ordinary text. Instances are safe for concurrent use. The time
 * is linear in the length of the text, even for a megabyte of one repeated character.
 */
public sealed interface Tokenizer permits GptTokenizer, ByteTokenizer, NativeTokenizer {
    /** The file name under which a tokenizer definition is saved next to prepared data or a checkpoint. */
    String FILE = "tokenizer.json";

    /**
     * Returns a tokenizer by name or path.
     *
     * @param spec {@code gpt2}, {@code gpt2:N} with N from 257 to 50257, {@code bytes}, or a path. The path leads to a
     *     {@code .json} file in Hugging Face's {@code tokenizer.json} format, or to the folder with a
     *     {@code tokenizer.json}
     * @throws dev.moe4j.text.DataException if the name is unknown, or the file cannot be read or used
     */
    static Tokenizer of(String spec) {
        return Tokenizers.of(spec);
    }

    /**
     * Returns the tokenizer that made prepared data or a checkpoint.
     *
     * @param spec the tokenizer's {@link #spec}
     * @param folder the folder that {@link #save} wrote to
     * @throws dev.moe4j.text.DataException if the name is unknown, or the file cannot be read or used
     */
    static Tokenizer of(String spec, Path folder) {
        return spec.equals(FILE) ? TokenizerFile.read(folder.resolve(FILE)) : Tokenizers.named(spec);
    }

    /** Returns the name of a built-in tokenizer, or {@link #FILE} for a tokenizer that was read from a file. */
    String spec();

    /**
     * Saves the tokenizer for {@link #of(String, Path)}: writes {@link #FILE} into a folder. A built-in tokenizer writes
     * nothing, because its name defines it.
     *
     * @throws dev.moe4j.text.DataException if the file cannot be written
     */
    void save(Path folder);

    /** Returns a sentence for the user about a part of the definition that is not applied; empty if all of it is. */
    default Optional<String> remark() {
        return Optional.empty();
    }

    /** Returns the number of token ids, including {@link #endOfText}. */
    int vocabularySize();

    /** Returns the id of the end-of-text token. No text encodes to it, and it decodes to the empty string. */
    int endOfText();

    /** Passes the token ids of a text to {@code out}, in order. */
    void encode(String text, IntConsumer out);

    /** Returns the token ids of a text, {@code [tokens]}. */
    default int[] encode(String text) {
        IntList ids = new IntList(text.length() / 3 + 8);
        encode(text, ids);
        return ids.toArray();
    }

    /**
     * Returns the offset in the text of each token of {@link #encode(String)}, {@code [tokens]}. Offsets count Unicode
     * code points. A token that begins inside a character gets that character's offset.
     */
    default int[] offsets(String text) {
        int[] ids = encode(text);
        int[] offsets = new int[ids.length];
        int begun = 0;
        for (int i = 0; i < ids.length; i++) {
            byte[] own = bytes(ids[i]);
            offsets[i] = own.length > 0 && Utf8.continues(own[0]) ? begun - 1 : begun;
            for (byte each : own) {
                begun += Utf8.continues(each) ? 0 : 1;
            }
        }
        return offsets;
    }

    /**
     * Returns the end of the segment that starts at {@code from}. The ids of a text are the concatenated ids of its
     * segments, so the segments of a long text can be encoded in parallel and in bounded memory.
     *
     * @param from 0 or the end of a segment; an index below the text's length
     * @return an index above {@code from}, at most the text's length
     */
    int segmentEnd(String text, int from);

    /**
     * Returns the bytes of a token, which may be part of a character. The end-of-text token has none.
     *
     * @throws dev.moe4j.text.DataException if the id is outside the vocabulary
     */
    byte[] bytes(int id);

    /**
     * Returns the concatenated bytes of the tokens.
     *
     * @throws dev.moe4j.text.DataException if an id is outside the vocabulary
     */
    default byte[] decodeBytes(int... ids) {
        int length = 0;
        for (int id : ids) {
            length = Math.addExact(length, bytes(id).length);
        }
        byte[] text = new byte[length];
        int at = 0;
        for (int id : ids) {
            byte[] part = bytes(id);
            System.arraycopy(part, 0, text, at, part.length);
            at += part.length;
        }
        return text;
    }

    /**
     * Returns the text of the tokens. Invalid UTF-8, for example a truncated character at the end, becomes U+FFFD.
     *
     * @throws dev.moe4j.text.DataException if an id is outside the vocabulary
     */
    default String decode(int... ids) {
        return new String(decodeBytes(ids), StandardCharsets.UTF_8);
    }

    /** Returns the SHA-256 of the definition, in hex. Tokenizers with the same hash give the same ids. */
    String hash();
}
