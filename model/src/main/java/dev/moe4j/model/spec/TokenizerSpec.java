package dev.moe4j.model.spec;

import dev.moe4j.text.tokenizer.Tokenizer;

/**
 * The tokenizer that a model was trained with, as a checkpoint records it.
 *
 * @param name {@code gpt2}, {@code gpt2:N}, {@code bytes} or {@code tokenizer.json}, a file in the same folder
 * @param sha256 of its tables or of that file, 64 lower-case hexadecimal digits
 * @param vocabulary its entries, special ones included, before padding to a multiple of 8
 * @param endOfText the id that ends a document
 */
public record TokenizerSpec(String name, String sha256, int vocabulary, int endOfText) {

    public TokenizerSpec {
        if (vocabulary < 1 || endOfText < 0 || endOfText >= vocabulary) {
            throw new ModelException("tokenizer " + name + ": the end of a document, id " + endOfText
                    + ", is not among its " + vocabulary + " entries");
        }
    }

    /** What a checkpoint records of that tokenizer. */
    public static TokenizerSpec of(Tokenizer tokenizer) {
        return new TokenizerSpec(tokenizer.spec(), tokenizer.hash(), tokenizer.vocabularySize(), tokenizer.endOfText());
    }
}
