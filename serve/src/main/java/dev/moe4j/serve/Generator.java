package dev.moe4j.serve;

import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.TokenBatch;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Continues a text, token by token. The model sees an end of text, which every text begins behind, and as much of the
 * text's end as fits into its context. Each token runs the model over the whole window: there is no cache yet, so the
 * time for a token grows with the window.
 */
public final class Generator {

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Sampling sampling;
    private final RandomKey key;

    /** Why a text ended. */
    public enum Finish {
        /** The model ended it. */
        END_OF_TEXT,
        /** As many tokens were made as were asked for. */
        LENGTH
    }

    /**
     * A text that was made.
     *
     * @param text without the prompt
     * @param promptTokens in the prompt
     * @param tokens made, an end of text not counted
     */
    public record Generated(String text, int promptTokens, int tokens, Finish finish) {}

    /**
     * A generator.
     *
     * @param seed the same one gives the same text
     * @throws ServeException if the tokenizer has more tokens than the model
     */
    public Generator(LanguageModel model, Tokenizer tokenizer, Sampling sampling, long seed) {
        if (tokenizer.vocabularySize() > model.config().vocabulary()) {
            throw new ServeException("the tokenizer " + tokenizer.spec() + " has " + tokenizer.vocabularySize()
                    + " tokens, and the model " + model.config().vocabulary()
                    + "; use the tokenizer that it was trained with");
        }
        this.model = model;
        this.tokenizer = tokenizer;
        this.sampling = sampling;
        this.key = new RandomKey(seed).fold("generate");
    }

    /**
     * Continues a prompt.
     *
     * @param prompt may be empty: the model then begins a text
     * @param tokens the most to make
     * @param out hears each piece of text as soon as its characters are complete
     */
    public Generated generate(String prompt, int tokens, Consumer<String> out) {
        if (tokens < 1) {
            throw new ServeException("cannot make " + tokens + " tokens; give at least 1");
        }
        int[] given = tokenizer.encode(prompt);
        int context = model.config().context();
        int[] window = new int[context];
        int length = 0;
        window[length++] = tokenizer.endOfText();
        if (given.length >= context) {
            System.arraycopy(given, given.length - context, window, 0, context);
            length = context;
        } else {
            System.arraycopy(given, 0, window, 1, given.length);
            length += given.length;
        }

        TextDecoder decoder = new TextDecoder();
        StringBuilder text = new StringBuilder();
        Finish finish = Finish.LENGTH;
        int made = 0;
        while (made < tokens) {
            int next = sampling.draw(nextLogits(window, length), uniform(made));
            if (next == tokenizer.endOfText()) {
                finish = Finish.END_OF_TEXT;
                break;
            }
            made++;
            emit(decoder.add(tokenizer.bytes(next)), text, out);
            if (length == context) {
                System.arraycopy(window, 1, window, 0, context - 1);
                length--;
            }
            window[length++] = next;
        }
        emit(decoder.end(), text, out);
        return new Generated(text.toString(), given.length, made, finish);
    }

    private static void emit(String piece, StringBuilder text, Consumer<String> out) {
        if (!piece.isEmpty()) {
            text.append(piece);
            out.accept(piece);
        }
    }

    private double uniform(int position) {
        return new SplittableRandom(key.fold(position).value()).nextDouble();
    }

    /** The logits behind the window's last token; rows that only pad the model's vocabulary are left out. */
    private double[] nextLogits(int[] window, int length) {
        long[] tokens = Arrays.stream(window, 0, length).asLongStream().toArray();
        long[] none = new long[length];
        Arrays.fill(none, TokenBatch.NONE);
        try (Scope _ = Scope.open()) {
            Tensor logits_BTV = model.logits(new TokenBatch(tokens, none, 1));
            return logits_BTV
                    .select(0, 0)
                    .select(0, length - 1)
                    .narrow(0, 0, tokenizer.vocabularySize())
                    .toDoubles();
        }
    }
}
