package dev.moe4j.serve;

import dev.moe4j.data.Tokenizer;
import dev.moe4j.tensor.RandomKey;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntFunction;

/**
 * A text that grows. The model sees an end of text, which every text begins behind, and as much of the text's end as fits
 * into its context. Where the context is full, its later half is read anew and the text goes on behind it: a token's
 * position is part of what a decoder keeps, so nothing kept can move forward.
 */
final class Continuation {
    private final GenerationRequest request;
    private final Tokenizer tokenizer;
    private final TextListener listener;
    private final RandomKey key;
    private final int[] window;
    /** Tokens in the window. */
    private int length;
    /** Those of them that no decoder has read yet. */
    private int unread;

    private final TextDecoder characters = new TextDecoder();
    private final StopText stop;
    private final StringBuilder text = new StringBuilder();
    /** Characters that the tokens made so far have completed, of which some may be held back. */
    private int completed;
    /** Tokens whose text is held back. */
    private final Deque<ScoredToken> held = new ArrayDeque<>();

    private int made;
    private volatile boolean cancelled;

    /**
     * A text that begins with its prompt.
     *
     * @param context the model's
     */
    Continuation(GenerationRequest request, Tokenizer tokenizer, int context, TextListener listener) {
        if (request.scorePrompt() && windowOf(request, tokenizer) > context) {
            throw new ServeException("a prompt of " + request.prompt().length
                    + " tokens cannot be scored: the model sees " + context + " at a time");
        }
        this.request = request;
        this.tokenizer = tokenizer;
        this.listener = listener;
        this.key = new RandomKey(request.seed()).fold("generate");
        this.stop = new StopText(request.stops());
        this.window = new int[context];
        int[] prompt = request.prompt();
        this.length = Math.min(context, windowOf(request, tokenizer));
        this.unread = length;
        window[0] = tokenizer.endOfText();
        System.arraycopy(prompt, prompt.length - (length - 1), window, 1, length - 1);
    }

    /** The tokens that a model sees of a whole prompt, the end of text that it begins behind included. */
    static int windowOf(GenerationRequest request, Tokenizer tokenizer) {
        return request.prompt().length + (beginsItself(request.prompt(), tokenizer) ? 0 : 1);
    }

    private static boolean beginsItself(int[] prompt, Tokenizer tokenizer) {
        return prompt.length > 0 && prompt[0] == tokenizer.endOfText();
    }

    /** Room in a decoder for the text as long as it may become, at most its context. */
    int room() {
        return (int) Math.min(window.length, (long) length + request.tokens());
    }

    /** Whether the decoder has to read the whole window, the first time or because it moved. */
    boolean anew() {
        return unread == length;
    }

    /** Whether the logits behind every token that the decoder reads are wanted, {@link #scored}. */
    boolean scoring() {
        return request.scorePrompt() && made == 0;
    }

    /** The tokens that a decoder has to read next. */
    int[] read() {
        int[] tokens = Arrays.copyOfRange(window, length - unread, length);
        unread = 0;
        return tokens;
    }

    /**
     * Reports the prompt.
     *
     * @param logits gives those behind each token of the window, one for each token of the vocabulary
     */
    void scored(IntFunction<double[]> logits) {
        List<ScoredToken> tokens = new ArrayList<>();
        TextDecoder prompt = new TextDecoder();
        int offset = 0;
        int begun = beginsItself(request.prompt(), tokenizer) ? 1 : 0;
        for (int i = 1 - begun; i < length; i++) {
            int token = window[i];
            tokens.add(
                    i == 0
                            ? LogProbabilities.unknown(token, offset)
                            : new LogProbabilities(logits.apply(i - 1)).score(token, offset, alternatives()));
            offset += prompt.add(tokenizer.bytes(token)).length();
        }
        listener.prompt(tokens);
    }

    private int alternatives() {
        return request.alternatives() == null ? 0 : request.alternatives();
    }

    /**
     * Draws the next token.
     *
     * @param logits behind the last one
     * @return whether the text goes on
     */
    boolean draw(double... logits) {
        if (request.tokens() == 0) {
            return ended(Finish.LENGTH);
        }
        int next = request.sampling().draw(logits, uniform());
        if (request.alternatives() != null) {
            held.add(new LogProbabilities(logits).score(next, completed, alternatives()));
        }
        if (next == tokenizer.endOfText()) {
            return ended(Finish.END_OF_TEXT);
        }
        made++;
        String complete = characters.add(tokenizer.bytes(next));
        completed += complete.length();
        emit(stop.add(complete));
        if (stop.met()) {
            return ended(Finish.STOP);
        }
        if (made == request.tokens()) {
            return ended(Finish.LENGTH);
        }
        if (length == window.length) {
            length /= 2;
            System.arraycopy(window, window.length - length, window, 0, length);
            unread = length;
        }
        window[length++] = next;
        unread++;
        return true;
    }

    /** Tokens made so far. */
    int made() {
        return made;
    }

    private double uniform() {
        return new SplittableRandom(key.fold(made).value()).nextDouble();
    }

    private boolean ended(Finish finish) {
        if (finish != Finish.STOP) {
            emit(stop.add(characters.end()));
            // The last character may have been the end of a stop text.
            if (!stop.met()) {
                emit(stop.end());
                if (!held.isEmpty()) {
                    listener.piece("", List.copyOf(held));
                }
            }
        }
        listener.end(new Generated(text.toString(), request.prompt().length, made, stop.met() ? Finish.STOP : finish));
        return false;
    }

    private void emit(String piece) {
        if (!piece.isEmpty()) {
            text.append(piece);
            List<ScoredToken> tokens = new ArrayList<>();
            while (!held.isEmpty() && held.element().offset() < text.length()) {
                tokens.add(held.remove());
            }
            listener.piece(piece, tokens);
        }
    }

    /** Ends it with a problem. */
    void fail(RuntimeException problem) {
        listener.failed(problem);
    }

    /** Nobody wants it any more; may be called by any thread. */
    void cancel() {
        cancelled = true;
    }

    boolean cancelled() {
        return cancelled;
    }
}
