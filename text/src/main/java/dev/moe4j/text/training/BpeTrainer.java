package dev.moe4j.text.training;

import dev.moe4j.text.DataException;
import dev.moe4j.text.source.AtomicTextFile;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.ByteLevelBpe;
import dev.moe4j.text.tokenizer.TokenizerFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Trains a byte-level byte pair encoding (BPE) tokenizer on text, with GPT-2's pre-tokenization. The vocabulary is the
 * 256 bytes in the order of GPT-2's ids, the merges in the order in which they were learned, and the end of text. The
 * same text gives the same file for any number of threads. Memory is bounded by the number of distinct pieces, at most
 * 2^21, which take about 1 GB.
 */
public final class BpeTrainer {
    private static final int MIN_VOCABULARY = 257;
    private static final int MAX_VOCABULARY = 1 << 20;

    private final int vocabulary;
    private final TextInput input;
    private int threads = Runtime.getRuntime().availableProcessors();
    private Consumer<Progress> progress = _ -> {};

    /**
     * Creates a trainer that uses all processors.
     *
     * @param vocabulary the number of token ids, including the end of text, from 257 to 2^20
     * @throws DataException if {@code vocabulary} is out of range
     */
    public BpeTrainer(int vocabulary, TextInput input) {
        if (vocabulary < MIN_VOCABULARY || vocabulary > MAX_VOCABULARY) {
            throw new DataException("cannot make a vocabulary of " + vocabulary + " entries; give a size from "
                    + MIN_VOCABULARY + " (all bytes and the end of text) to " + MAX_VOCABULARY);
        }
        this.vocabulary = vocabulary;
        this.input = input;
    }

    /**
     * The progress of training, which first reads all text and then learns merges.
     *
     * @param inputBytes the bytes read so far, as stored on disk
     * @param tokens the size of the vocabulary so far; 0 while text is read
     */
    public record Progress(long inputBytes, int tokens) {}

    /**
     * A trained tokenizer.
     *
     * @param json the content of the {@code tokenizer.json}
     * @param documents the number of documents read
     * @param textBytes the length of their text, in UTF-8 bytes
     * @param pieces the number of distinct pieces (words, numbers, punctuation) that merges were learned from
     * @param forgotten the number of times a rare piece was dropped to bound memory
     * @param skipped the counts of skipped input
     */
    public record Trained(byte[] json, long documents, long textBytes, long pieces, long forgotten, Skipped skipped) {

        /** Returns the SHA-256 of the file, in hex, which is the tokenizer's hash. */
        public String hash() {
            return new TokenizerFile(json).hash();
        }

        /**
         * Writes the {@code tokenizer.json} atomically.
         *
         * @param overwrite whether an existing file may be replaced
         * @throws DataException if the file exists and must not be replaced, or cannot be written
         */
        public void write(Path file, boolean overwrite) {
            AtomicTextFile.checkFree(file, overwrite);
            AtomicTextFile.write(file, out -> out.append(new String(json, StandardCharsets.UTF_8)));
        }
    }

    /**
     * Checks that {@link Trained#write} may write this file. Call it before training, which takes long.
     *
     * @throws DataException if the file exists and must not be replaced
     */
    public static void checkFree(Path file, boolean overwrite) {
        AtomicTextFile.checkFree(file, overwrite);
    }

    /**
     * Sets the number of threads that count pieces. The result does not depend on it.
     *
     * @throws DataException if {@code value} is below 1
     */
    public BpeTrainer threads(int value) {
        if (value < 1) {
            throw new DataException("cannot count on " + value + " threads; give at least 1");
        }
        threads = value;
        return this;
    }

    /** Sets a listener that is called on the thread of {@link #run}: while text is read, and after each merge. */
    public BpeTrainer onProgress(Consumer<Progress> value) {
        progress = value;
        return this;
    }

    /**
     * Reads the input and trains the tokenizer.
     *
     * @throws DataException if the input cannot be read, or has too little text for the vocabulary
     */
    public Trained run() {
        Skipped skipped = input.listed();
        long[] read = {0, 0}; // bytes on disk, bytes of text
        try (PieceCounter counter = new PieceCounter(threads)) {
            long documents = input.read(
                    input.items(),
                    document -> {
                        read[1] += document.bytes();
                        counter.add(document.text());
                    },
                    skipped,
                    bytes -> progress.accept(new Progress(read[0] += bytes, 0)));
            input.requireDocuments(documents, skipped);
            Map<String, Long> pieces = counter.finish();
            int different = pieces.size();
            ByteLevelBpe made = new MergeLearner(pieces)
                    .learn(vocabulary, tokens -> progress.accept(new Progress(read[0], tokens)));
            return new Trained(made.json(), documents, read[1], different, counter.forgotten(), skipped);
        }
    }
}
