package dev.moe4j.serve;

import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.Decoder;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Consumer;

/**
 * Continues a text, token by token. The model sees an end of text, which every text begins behind, and as much of the
 * text's end as fits into its context. The prompt is read in one pass and each token after it in one of its own. Where the
 * context is full, its later half is read anew and the text goes on behind it: a token's position is part of what a
 * {@link Decoder} keeps, so nothing kept can move forward.
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
        int length = Math.min(context, given.length + 1);
        window[0] = tokenizer.endOfText();
        int seen = Math.min(context, given.length);
        System.arraycopy(given, given.length - seen, window, length - seen, seen);

        TextDecoder text = new TextDecoder();
        StringBuilder whole = new StringBuilder();
        Finish finish = Finish.LENGTH;
        int made = 0;
        int room = (int) Math.min(context, (long) length + tokens);
        try (Decoder decoder = Decoder.of(model, 1, room)) {
            decoder.append(Arrays.copyOf(window, length));
            while (true) {
                int next = sampling.draw(nextLogits(decoder), uniform(made));
                if (next == tokenizer.endOfText()) {
                    finish = Finish.END_OF_TEXT;
                    break;
                }
                made++;
                emit(text.add(tokenizer.bytes(next)), whole, out);
                if (made == tokens) {
                    break;
                }
                if (length == context) {
                    length /= 2;
                    System.arraycopy(window, context - length, window, 0, length);
                    window[length++] = next;
                    decoder.clear();
                    decoder.append(Arrays.copyOf(window, length));
                } else {
                    window[length++] = next;
                    decoder.append(new int[] {next});
                }
            }
        }
        emit(text.end(), whole, out);
        return new Generated(whole.toString(), given.length, made, finish);
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

    /** The logits behind the last token; rows that only pad the model's vocabulary are left out. */
    private double[] nextLogits(Decoder decoder) {
        try (Scope _ = Scope.open()) {
            return decoder.next()
                    .select(0, 0)
                    .narrow(0, 0, tokenizer.vocabularySize())
                    .toDoubles();
        }
    }
}
