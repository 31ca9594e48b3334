package dev.moe4j.eval.perplexity;

import dev.moe4j.data.prepare.TokenText;
import dev.moe4j.data.sample.EvalWindows;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.eval.EvalException;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.text.tokenizer.Tokenizer;

/**
 * Computes the negative log-likelihood of a text's tokens with a model, in windows of at most the model's context.
 * Memory does not grow with the text, apart from a few numbers per window.
 *
 * <p>By default a text is a stream: windows follow each other, and every token but the first is predicted. Windows may
 * {@link #stride overlap}, so that each prediction has a longer context, and may {@link #documents end with documents}.
 *
 * <p>A window's score does not depend on the other windows in its batch, with one exception: experts with a capacity
 * that sequences share. With {@code routing.group} above 1, batches therefore consist of complete groups. With {@code
 * routing.group} 0, as published, the whole batch shares the capacity, and the score depends on the batch size.
 *
 * <p>The processes of a model share the windows among them, and all get the same score. Each process must score the
 * same texts in the same order.
 *
 * <p>Immutable; the methods that change a setting return a changed copy.
 */
public final class Perplexity {

    private static final int DEFAULT_BATCH = 8;

    /** Pads the inputs of a window after the end of its text. */
    static final int PADDING = Math.toIntExact(TokenBatch.PADDING);

    private final LanguageModel model;
    private final int batch;
    private final long maxWindows;
    private final Windowing windowing;
    private final TokenText text;
    private final Progress progress;

    /**
     * How a text is cut into windows.
     *
     * @param length tokens in a window
     * @param stride tokens from one window to the next; 0 for the window's length
     * @param documentEnd the token that ends a document; −1 for a stream
     */
    private record Windowing(int length, int stride, int documentEnd) {}

    /** Receives the progress of a score. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Called after each batch, or after each round of one batch per process.
         *
         * @param windows windows scored so far, by all processes
         * @param total windows to score
         * @param loss nats per token so far, in this process
         */
        void scored(long windows, long total, double loss);
    }

    private Perplexity(
            LanguageModel model, int batch, long maxWindows, Windowing windowing, TokenText text, Progress progress) {
        this.model = model;
        this.batch = batch;
        this.maxWindows = maxWindows;
        this.windowing = windowing;
        this.text = text;
        this.progress = progress;
    }

    /**
     * Creates an evaluation with the default settings: complete texts as streams, eight windows of the model's context
     * at a time, without byte and word counts.
     */
    public static Perplexity of(LanguageModel model) {
        Windowing windowing = new Windowing(model.config().context(), 0, -1);
        return new Perplexity(model, DEFAULT_BATCH, Long.MAX_VALUE, windowing, TokenText.NONE, (_, _, _) -> {});
    }

    /**
     * Sets the number of windows in a batch, which affects speed and memory only.
     *
     * @throws EvalException if it is below 1
     */
    public Perplexity batch(int windows) {
        if (windows < 1) {
            throw new EvalException("cannot score " + windows + " windows at a time; give at least 1");
        }
        return new Perplexity(model, windows, maxWindows, windowing, text, progress);
    }

    /**
     * Limits the number of windows. The scored windows are spread evenly over the text and are always the same.
     *
     * @throws EvalException if it is below 1
     */
    public Perplexity maxWindows(long windows) {
        if (windows < 1) {
            throw new EvalException("cannot score " + windows + " windows; give at least 1");
        }
        return new Perplexity(model, batch, windows, windowing, text, progress);
    }

    /**
     * Sets the length of the windows.
     *
     * @throws EvalException unless it is between 1 and the model's context
     */
    public Perplexity window(int tokens) {
        int context = model.config().context();
        if (tokens < 1 || tokens > context) {
            throw new EvalException("windows of " + tokens + " tokens do not fit the model's context of " + context
                    + "; give from 1 to " + context);
        }
        Windowing changed = new Windowing(tokens, windowing.stride(), windowing.documentEnd());
        return new Perplexity(model, batch, maxWindows, changed, text, progress);
    }

    /**
     * Sets the distance between the starts of windows, at most their length. All windows but a text's first one then
     * score this number of tokens and use the others as context.
     *
     * @throws EvalException if it is below 1
     */
    public Perplexity stride(int tokens) {
        if (tokens < 1) {
            throw new EvalException("windows cannot move by " + tokens + " tokens; give at least 1");
        }
        Windowing changed = new Windowing(windowing.length(), tokens, windowing.documentEnd());
        return new Perplexity(model, batch, maxWindows, changed, text, progress);
    }

    /** Cuts windows at document boundaries. Each document begins after the token {@code endOfText}. */
    public Perplexity documents(int endOfText) {
        Windowing changed = new Windowing(windowing.length(), windowing.stride(), endOfText);
        return new Perplexity(model, batch, maxWindows, changed, text, progress);
    }

    /**
     * Sets the tokenizer, with which bytes and words are attributed to tokens exactly. Without it, they are divided by
     * the number of tokens.
     */
    public Perplexity tokenizer(Tokenizer tokenizer) {
        return new Perplexity(model, batch, maxWindows, windowing, TokenText.of(tokenizer), progress);
    }

    /** Sets a listener for the progress. */
    public Perplexity onProgress(Progress listener) {
        return new Perplexity(model, batch, maxWindows, windowing, text, listener);
    }

    /** The number of windows that {@link #score} will score. */
    public long windows(TokenStream stream) {
        return Math.min(maxWindows, cut(stream).windows());
    }

    private EvalWindows cut(TokenStream stream) {
        EvalWindows windows = new EvalWindows(stream, windowing.length(), PADDING);
        if (windowing.stride() > 0) {
            windows = windows.stride(windowing.stride());
        }
        return windowing.documentEnd() < 0 ? windows : windows.documents(windowing.documentEnd());
    }

    /**
     * Scores a text of unknown size. All processes of the model must call this together.
     *
     * @throws EvalException if a token is not in the model's vocabulary, or a loss is not finite
     * @throws dev.moe4j.text.DataException if the text has fewer than two tokens, or the stride is larger than the
     *     window
     */
    public Score score(TokenStream stream) {
        return score(stream, TokenText.NONE);
    }

    private Score score(TokenStream stream, TokenText counted) {
        EvalWindows windows = cut(stream);
        int count = Math.toIntExact(Math.min(windows.windows(), maxWindows));
        return new WindowScorer(model, windows, count, batch, counted, progress).score();
    }

    /**
     * Scores a text of known size, as {@link #score(TokenStream)} does. The score's bytes and words are the source's,
     * scaled by the share of the decoded text that was predicted.
     *
     * @param source the size of the text that the stream was made from; without a word count, words of the decoded
     *     text are counted
     */
    public Score score(TokenStream stream, TextSize source) {
        Score score = score(stream, text);
        TextSize whole = text.size(stream);
        double tokens = (double) score.tokens() / stream.tokens();
        long bytes = part(source.bytes(), score.bytes(), whole.bytes(), tokens);
        long words = source.words() == 0 ? score.words() : part(source.words(), score.words(), whole.words(), tokens);
        return new Score(score.windowNats(), score.windowTokens(), bytes, words, score.load());
    }

    /**
     * Scales a size of the source by {@code part / whole} of the decoded text, or by the share of tokens if nothing was
     * decoded.
     */
    private static long part(long source, long part, long whole, double tokens) {
        return Math.round(source * (whole == 0 ? tokens : (double) part / whole));
    }
}
