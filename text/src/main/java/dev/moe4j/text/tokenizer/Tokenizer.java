package dev.moe4j.text.tokenizer;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.base.text.Utf8;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.IntConsumer;

/**
 * Text to token ids and back, exactly: {@code decodeBytes(encode(text))} are the bytes of the text in UTF-8, unless a
 * {@code tokenizer.json} itself changes text (a normalizer, a space put before it). A string that is not Unicode text
 * (a lone surrogate) is read with U+FFFD in that place.
 *
 * <p>Text that looks like a special token is ordinary text. Safe for use by many threads. Time is linear in the text,
 * also for a megabyte of one character.
 */
public sealed interface Tokenizer permits GptTokenizer, ByteTokenizer, NativeTokenizer {
    /** The name of the file that a tokenizer read from one stands in, beside what was made with it. */
    String FILE = "tokenizer.json";

    /**
     * The tokenizer of that name.
     *
     * @param spec {@code gpt2}, {@code gpt2:N} with N from 257 to 50257, {@code bytes}, or the path of a
     *     {@code tokenizer.json} of Hugging Face's tokenizers, which ends in {@code .json}, or of the folder it is in
     * @throws dev.moe4j.text.DataException if there is none of that name, or the file cannot be read or used
     */
    static Tokenizer of(String spec) {
        return Tokenizers.of(spec);
    }

    /**
     * The tokenizer that prepared data or a checkpoint was made with.
     *
     * @param spec its {@link #spec}
     * @param folder where {@link #save} was called
     * @throws dev.moe4j.text.DataException as {@link #of(String)}
     */
    static Tokenizer of(String spec, Path folder) {
        return spec.equals(FILE) ? TokenizerFile.read(folder.resolve(FILE)) : Tokenizers.named(spec);
    }

    /** Its name, or {@link #FILE}. */
    String spec();

    /**
     * Writes what {@link #of(String, Path)} needs into a folder: {@link #FILE}, or nothing if the name says it all.
     *
     * @throws dev.moe4j.text.DataException if that fails
     */
    void save(Path folder);

    /** A part of its definition that is left out, as a sentence for the user; empty if there is none. */
    default Optional<String> remark() {
        return Optional.empty();
    }

    /** The number of ids, that of {@link #endOfText} included. */
    int vocabularySize();

    /** The id that ends a document. No text encodes to it, and it decodes to nothing. */
    int endOfText();

    /** Gives the ids of the text, in order, to {@code out}. */
    void encode(String text, IntConsumer out);

    /** The ids of the text. */
    default int[] encode(String text) {
        IntList ids = new IntList(text.length() / 3 + 8);
        encode(text, ids);
        return ids.toArray();
    }

    /**
     * Where each token of {@link #encode(String)} begins in the text, in Unicode characters (code points). A token that
     * begins inside a character has that character's place.
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
     * Where the segment that starts at {@code from} ends: the ids of a text are those of its segments, one after the
     * other. Lets the parts of a long text be encoded in parallel, in bounded memory.
     *
     * @param from an index in the text, below its length: 0 or the end of a segment
     * @return an index above {@code from}, at most the length
     */
    int segmentEnd(String text, int from);

    /**
     * The bytes that an id stands for; none for {@link #endOfText}. They need not be whole characters.
     *
     * @throws dev.moe4j.text.DataException if there is no such id
     */
    byte[] bytes(int id);

    /**
     * The bytes of the ids, one after the other.
     *
     * @throws dev.moe4j.text.DataException if there is no such id
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
     * The text of the ids; bytes that are no UTF-8, as where ids end inside a character, become U+FFFD.
     *
     * @throws dev.moe4j.text.DataException if there is no such id
     */
    default String decode(int... ids) {
        return new String(decodeBytes(ids), StandardCharsets.UTF_8);
    }

    /** SHA-256 over the definition, in hex: with the same hash the ids are the same. */
    String hash();
}
