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
 * One sequence during generation: its request, the window of tokens that the model sees, and the text so far.
 *
 * <p>The window starts with an end-of-text token and holds as many of the latest tokens as fit into the model's context.
 * When the context is full, the sequence keeps the later half of the window and prefills it again. The KV cache cannot be
 * shifted, because a token's position is part of its cached keys and values.
 */
public final class DecodingSequence {
    private final GenerationRequest request;
    private final Tokenizer tokenizer;
    private final TextListener listener;
    private final RandomKey key;
    /** The model's padding token, or −1. */
    private final int padding;

    private final int[] window;
    /** Tokens in the window. */
    private int length;
    /** Tokens at the window's end that are not in the KV cache. */
    private int unread;

    private final TextDecoder characters = new TextDecoder();
    private final StopText stop;
    private final StringBuilder text = new StringBuilder();
    /** Unicode code points of {@link #text}. */
    private int emitted;
    /** Unicode code points of all generated tokens, including text that is held back. */
    private int completed;
    /** Tokens whose text is held back. */
    private final Deque<ScoredToken> held = new ArrayDeque<>();

    private int generated;
    private volatile boolean cancelled;

    /**
     * Creates a sequence that consists of its prompt.
     *
     * @param config the model's configuration
     * @throws ServeException if a prompt to be scored does not fit into the context
     */
    DecodingSequence(GenerationRequest request, Tokenizer tokenizer, ModelConfig config, TextListener listener) {
        int context = config.context();
        int[] prompt = request.prompt().tokens();
        if (request.scorePrompt() && promptWindow(request, tokenizer) > context) {
            throw new ServeException("cannot score a prompt of " + prompt.length + " tokens: the model sees " + context
                    + " at a time; shorten it");
        }
        this.request = request;
        this.tokenizer = tokenizer;
        this.listener = listener;
        this.key = new RandomKey(request.seed()).fold("generate");
        this.stop = new StopText(request.stops());
        this.padding = config.padding();
        this.length = Math.min(context, promptWindow(request, tokenizer));
        this.unread = length;
        // A sequence that cannot outgrow the context needs a window only for its maximum length.
        this.window = new int[(int) Math.min(context, (long) length + request.tokens())];
        window[0] = tokenizer.endOfText();
        System.arraycopy(prompt, prompt.length - (length - 1), window, 1, length - 1);
    }

    /** Returns the number of tokens that prefill reads for a prompt, including the end-of-text token before it. */
    public static int promptWindow(GenerationRequest request, Tokenizer tokenizer) {
        return request.prompt().tokens().length + (beginsWithEndOfText(request, tokenizer) ? 0 : 1);
    }

    private static boolean beginsWithEndOfText(GenerationRequest request, Tokenizer tokenizer) {
        int[] prompt = request.prompt().tokens();
        return prompt.length > 0 && prompt[0] == tokenizer.endOfText();
    }

    /** Returns the capacity in tokens that the sequence needs in the KV cache. */
    int capacity() {
        return window.length;
    }

    /** Whether the decoder must read the complete window, because the sequence is new or its window has moved. */
    boolean needsPrefill() {
        return unread == length;
    }

    /** Whether prefill must compute the logits of all positions, for {@link #reportPrompt}. */
    boolean scoresPrompt() {
        return request.scorePrompt() && generated == 0;
    }

    /** Returns the tokens that the decoder must read next, and marks them as read. */
    int[] takeUnread() {
        int[] tokens = Arrays.copyOfRange(window, length - unread, length);
        unread = 0;
        return tokens;
    }

    /**
     * Reports the prompt's scored tokens to the listener.
     *
     * @param logits returns the logits after a position of the window
     */
    void reportPrompt(IntFunction<double[]> logits) {
        List<ScoredToken> tokens = new ArrayList<>();
        int first = beginsWithEndOfText(request, tokenizer) ? 0 : 1;
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
     * Draws the next token and appends it.
     *
     * @param logits the model's output after the last token, {@code [rows]}
     * @return whether the sequence continues
     */
    boolean draw(double... logits) {
        if (request.tokens() == 0) {
            return finish(FinishReason.LENGTH);
        }
        int next = request.sampling().draw(drawable(logits), uniform());
        if (request.alternatives() != null) {
            held.add(score(logits, next, completed));
        }
        if (next == tokenizer.endOfText()) {
            return finish(FinishReason.END_OF_TEXT);
        }
        generated++;
        String complete = characters.add(tokenizer.bytes(next));
        completed += TextDecoder.characters(complete);
        emit(stop.add(complete));
        if (stop.met()) {
            return finish(FinishReason.STOP);
        }
        if (generated == request.tokens()) {
            return finish(FinishReason.LENGTH);
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

    /** Returns the logits of the vocabulary. The padding token gets −∞, because the model cannot read it. */
    private double[] drawable(double... logits) {
        double[] tokens = Arrays.copyOf(logits, tokenizer.vocabularySize());
        if (padding >= 0 && padding < tokens.length) {
            tokens[padding] = Double.NEGATIVE_INFINITY;
        }
        return tokens;
    }

    /** Returns the number of generated tokens. */
    int generated() {
        return generated;
    }

    private double uniform() {
        return new SplittableRandom(key.fold(generated).value()).nextDouble();
    }

    private boolean finish(FinishReason reason) {
        if (reason != FinishReason.STOP) {
            emit(stop.add(characters.end()));
            // The decoder's last character may complete a stop text.
            if (!stop.met()) {
                emit(stop.end());
                if (!held.isEmpty()) {
                    listener.piece("", List.copyOf(held));
                }
            }
        }
        listener.end(new GenerationResult(
                text.toString(), request.prompt().tokens().length, generated, stop.met() ? FinishReason.STOP : reason));
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

    /** Ends the sequence with a failure. */
    void fail(Throwable problem) {
        if (cancelled) {
            reportCancelled();
        } else {
            listener.failed(problem);
        }
    }

    /** Tells the listener that the sequence was cancelled. */
    void reportCancelled() {
        listener.cancelled();
    }

    /** Cancels the sequence. Any thread may call this. */
    void cancel() {
        cancelled = true;
    }

    boolean cancelled() {
        return cancelled;
    }
}
