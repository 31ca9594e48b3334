package dev.moe4j.model.spec;

import dev.moe4j.text.tokenizer.Tokenizer;

/**
 * Identifies the tokenizer that a model was trained with; a checkpoint stores it.
 *
 * @param name {@code gpt2}, {@code gpt2:N}, {@code bytes} or {@code tokenizer.json}, a file in the same folder
 * @param sha256 the hash of the tokenizer's tables or of that file, 64 lower-case hexadecimal digits
 * @param vocabulary the number of entries, including special tokens, before padding to a multiple of 8
 * @param endOfText the id of the token that ends a document
 */
public record TokenizerSpec(String name, String sha256, int vocabulary, int endOfText) {

    public TokenizerSpec {
        if (vocabulary < 1 || endOfText < 0 || endOfText >= vocabulary) {
            throw new ModelException("tokenizer " + name + ": the end-of-document id " + endOfText
                    + " is outside its vocabulary of " + vocabulary);
        }
    }

    /** The description of a tokenizer. */
    public static TokenizerSpec of(Tokenizer tokenizer) {
        return new TokenizerSpec(tokenizer.spec(), tokenizer.hash(), tokenizer.vocabularySize(), tokenizer.endOfText());
    }
}
