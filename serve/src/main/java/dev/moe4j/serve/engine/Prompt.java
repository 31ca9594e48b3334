package dev.moe4j.serve.engine;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.function.IntConsumer;

/**
 * The text that a model continues.
 *
 * @param text Unicode text; a request that echoes its prompt gets this back
 * @param tokens the tokens of the text
 * @param offsets where each token begins in the text, in Unicode characters (code points)
 */
public record Prompt(String text, int[] tokens, int[] offsets) {

    /**
     * A prompt given as text. A lone surrogate becomes U+FFFD.
     *
     * @throws ServeException if the text has more than {@code most} tokens; the rest of the text is then not encoded
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

    /** A prompt given as tokens, each of them one of the tokenizer's. Bytes that are not UTF-8 become U+FFFD. */
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

    /** The length of the text in Unicode characters (code points). */
    public int characters() {
        return TextDecoder.characters(text);
    }
}
