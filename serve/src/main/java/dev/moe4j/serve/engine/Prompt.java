package dev.moe4j.serve.engine;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.function.IntConsumer;

/**
 * A prompt: the text for a model to continue.
 *
 * @param text the prompt as valid Unicode text
 * @param tokens the prompt's tokens
 * @param offsets each token's start in the text, in Unicode code points
 */
public record Prompt(String text, int[] tokens, int[] offsets) {

    /**
     * Encodes a prompt given as text. A lone surrogate becomes U+FFFD. Encoding stops when the limit is exceeded.
     *
     * @param most the maximum number of tokens
     * @throws ServeException if the text has more than {@code most} tokens
     */
    public static Prompt of(String text, Tokenizer tokenizer, int most) {
        String valid = Utf8.valid(text);
        tokenizer.encode(valid, new IntConsumer() {
            private int count;

            @Override
            public void accept(int token) {
                if (++count > most) {
                    throw new ServeException(
                            "a prompt has more than " + most + " tokens; the model cannot read more: shorten it");
                }
            }
        });
        return new Prompt(valid, tokenizer.encode(valid), tokenizer.offsets(valid));
    }

    /** Decodes a prompt given as tokens of the vocabulary. Bytes that are not UTF-8 become U+FFFD. */
    public static Prompt of(int[] tokens, Tokenizer tokenizer) {
        TextDecoder decoder = new TextDecoder();
        StringBuilder text = new StringBuilder();
        int[] offsets = new int[tokens.length];
        int characters = 0;
        for (int i = 0; i < tokens.length; i++) {
            offsets[i] = characters;
            String complete = decoder.add(tokenizer.bytes(tokens[i]));
            characters += TextDecoder.characters(complete);
            text.append(complete);
        }
        return new Prompt(text.append(decoder.end()).toString(), tokens, offsets);
    }

    /** Returns the length of the text in Unicode code points. */
    public int characters() {
        return TextDecoder.characters(text);
    }
}
