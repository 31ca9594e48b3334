package dev.moe4j.text.training;

import dev.moe4j.text.DataException;
import dev.moe4j.text.source.NewFile;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.ByteLevelBpe;
import dev.moe4j.text.tokenizer.TokenizerFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Makes a byte-level BPE tokenizer of text: GPT-2's pieces, the 256 bytes in the order of GPT-2's ids, the merges in the
 * order in which they were learnt, and last the end of text. The same text gives the same file, whatever the number of
 * threads. Memory is bounded by the different pieces, of which 2^21 are kept: about 1 GB.
 */
public final class BpeTrainer {
    private static final int SMALLEST = 257;
    private static final int LARGEST = 1 << 20;

    private final int vocabulary;
    private final TextInput input;
    private int threads = Runtime.getRuntime().availableProcessors();
    private Consumer<Progress> progress = _ -> {};

    /**
     * A trainer on all processors.
     *
     * @param vocabulary the number of ids, that of the end of text included, from 257 to 2^20
     * @throws DataException if that is not in range
     */
    public BpeTrainer(int vocabulary, TextInput input) {
        if (vocabulary < SMALLEST || vocabulary > LARGEST) {
            throw new DataException("cannot make a vocabulary of " + vocabulary + " entries; give a size from "
                    + SMALLEST + " (all bytes and the end of text) to " + LARGEST);
        }
        this.vocabulary = vocabulary;
        this.input = input;
    }

    /**
     * How far it is: first the text is read, then tokens are made.
     *
     * @param inputBytes bytes on the disk that were read
     * @param tokens made so far, of the vocabulary
     */
    public record Progress(long inputBytes, int tokens) {}

    /**
     * A tokenizer.
     *
     * @param json the content of the {@code tokenizer.json}
     * @param textBytes of UTF-8
     * @param pieces the different words and the like that it was made of
     * @param forgotten how often a rare piece was forgotten, since there were too many
     */
    public record Trained(byte[] json, long documents, long textBytes, long pieces, long forgotten, Skipped skipped) {

        /** SHA-256 of the file, in hex: the tokenizer's hash. */
        public String hash() {
            return new TokenizerFile(json).hash();
        }

        /**
         * Writes the file, which has its name only when it is whole.
         *
         * @param overwrite whether a file may be there, to be replaced
         * @throws DataException if that fails
         */
        public void write(Path file, boolean overwrite) {
            NewFile.checkFree(file, overwrite);
            NewFile.write(file, out -> out.append(new String(json, StandardCharsets.UTF_8)));
        }
    }

    /**
     * Checks that {@link Trained#write} can write under this name.
     *
     * @throws DataException if a file is there that is not to be replaced
     */
    public static void checkFree(Path file, boolean overwrite) {
        NewFile.checkFree(file, overwrite);
    }

    /** The number of threads that read pieces; the result does not depend on it. */
    public BpeTrainer threads(int value) {
        if (value < 1) {
            throw new DataException("cannot count on " + value + " threads; give at least 1");
        }
        threads = value;
        return this;
    }

    /** Is called on the thread of {@link #run} after each file and each merge. */
    public BpeTrainer onProgress(Consumer<Progress> value) {
        progress = value;
        return this;
    }

    /**
     * Does it.
     *
     * @throws DataException if the input cannot be read, or has too little text for the vocabulary
     */
    public Trained run() {
        Skipped skipped = input.listed();
        long[] read = {0, 0}; // bytes on the disk, bytes of text
        try (PieceCounter counter = new PieceCounter(threads)) {
            long documents = input.read(
                    input.items(),
                    document -> {
                        read[1] += document.bytes();
                        counter.add(document.text());
                    },
                    skipped,
                    bytes -> progress.accept(new Progress(read[0] += bytes, 0)));
            input.checkAny(documents, skipped);
            Map<String, Long> pieces = counter.finish();
            int different = pieces.size();
            ByteLevelBpe made = new MergeLearner(pieces)
                    .learn(vocabulary, tokens -> progress.accept(new Progress(read[0], tokens)));
            return new Trained(made.json(), documents, read[1], different, counter.forgotten(), skipped);
        }
    }
}
