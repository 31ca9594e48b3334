package dev.moe4j.serve.engine;

import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.text.tokenizer.Tokenizer;
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
public final class Continuation {
    private final GenerationRequest request;
    private final Tokenizer tokenizer;
    private final TextListener listener;
    private final RandomKey key;
    /** The model's padding token; −1 where it has none. */
    private final int padding;

    private final int[] window;
    /** Tokens in the window. */
    private int length;
    /** Those of them that no decoder has read yet. */
    private int unread;

    private final TextDecoder characters = new TextDecoder();
    private final StopText stop;
    private final StringBuilder text = new StringBuilder();
    /** Unicode characters of {@link #text}. */
    private int emitted;
    /** Unicode characters that the tokens made so far have completed, of which some may be held back. */
    private int completed;
    /** Tokens whose text is held back. */
    private final Deque<ScoredToken> held = new ArrayDeque<>();

    private int made;
    private volatile boolean cancelled;

    /**
     * A text that begins with its prompt.
     *
     * @param config the model's
     */
    Continuation(GenerationRequest request, Tokenizer tokenizer, ModelConfig config, TextListener listener) {
        int context = config.context();
        int[] prompt = request.prompt().tokens();
        if (request.scorePrompt() && windowOf(request, tokenizer) > context) {
            throw new ServeException("a prompt of " + prompt.length + " tokens cannot be scored: the model sees "
                    + context + " at a time");
        }
        this.request = request;
        this.tokenizer = tokenizer;
        this.listener = listener;
        this.key = new RandomKey(request.seed()).fold("generate");
        this.stop = new StopText(request.stops());
        this.padding = config.padding();
        this.length = Math.min(context, windowOf(request, tokenizer));
        this.unread = length;
        // A text that cannot fill the context never moves its window.
        this.window = new int[(int) Math.min(context, (long) length + request.tokens())];
        window[0] = tokenizer.endOfText();
        System.arraycopy(prompt, prompt.length - (length - 1), window, 1, length - 1);
    }

    /** The tokens that a model sees of a whole prompt, the end of text that it begins behind included. */
    public static int windowOf(GenerationRequest request, Tokenizer tokenizer) {
        return request.prompt().tokens().length + (beginsItself(request, tokenizer) ? 0 : 1);
    }

    private static boolean beginsItself(GenerationRequest request, Tokenizer tokenizer) {
        int[] prompt = request.prompt().tokens();
        return prompt.length > 0 && prompt[0] == tokenizer.endOfText();
    }

    /** Room in a decoder for the text as long as it may become, at most its context. */
    int room() {
        return window.length;
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
     * @param logits gives the logits after each token of the window, one for each row of the model's output
     */
    void scored(IntFunction<double[]> logits) {
        List<ScoredToken> tokens = new ArrayList<>();
        int first = beginsItself(request, tokenizer) ? 0 : 1;
        for (int i = first; i < length; i++) {
            int token = window[i];
            int offset = request.prompt().offsets()[i - first];
            tokens.add(
                    i == 0 ? TokenLogProbabilities.unknown(token, offset) : score(logits.apply(i - 1), token, offset));
        }
        listener.prompt(tokens);
    }

    private ScoredToken score(double[] logits, int token, int offset) {
        return new TokenLogProbabilities(logits, tokenizer.vocabularySize()).score(token, offset, alternatives());
    }

    private int alternatives() {
        return request.alternatives() == null ? 0 : request.alternatives();
    }

    /**
     * Draws the next token.
     *
     * @param logits after the last one, one for each row of the model's output
     * @return whether the text goes on
     */
    boolean draw(double... logits) {
        if (request.tokens() == 0) {
            return ended(Finish.LENGTH);
        }
        int next = request.sampling().draw(drawable(logits), uniform());
        if (request.alternatives() != null) {
            held.add(score(logits, next, completed));
        }
        if (next == tokenizer.endOfText()) {
            return ended(Finish.END_OF_TEXT);
        }
        made++;
        String complete = characters.add(tokenizer.bytes(next));
        completed += TextDecoder.characters(complete);
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

    /** The logits of tokens, in which the padding token is impossible: the model cannot read it. */
    private double[] drawable(double... logits) {
        double[] tokens = Arrays.copyOf(logits, tokenizer.vocabularySize());
        if (padding >= 0 && padding < tokens.length) {
            tokens[padding] = Double.NEGATIVE_INFINITY;
        }
        return tokens;
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
        listener.end(new Generated(
                text.toString(), request.prompt().tokens().length, made, stop.met() ? Finish.STOP : finish));
        return false;
    }

    private void emit(String piece) {
        if (!piece.isEmpty()) {
            text.append(piece);
            emitted += TextDecoder.characters(piece);
            List<ScoredToken> tokens = new ArrayList<>();
            while (!held.isEmpty() && held.element().offset() < emitted) {
                tokens.add(held.remove());
            }
            listener.piece(piece, tokens);
        }
    }

    /** Ends it with a problem. */
    void fail(Throwable problem) {
        if (cancelled) {
            leave();
        } else {
            listener.failed(problem);
        }
    }

    /** Ends it because it was cancelled. */
    void leave() {
        listener.cancelled();
    }

    /** Nobody wants it any more; may be called by any thread. */
    void cancel() {
        cancelled = true;
    }

    boolean cancelled() {
        return cancelled;
    }
}
