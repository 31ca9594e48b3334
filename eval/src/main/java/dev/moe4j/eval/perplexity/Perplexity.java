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
 * Scores text with a model: the negative log-likelihood of its tokens, in windows of at most the model's context. Memory
 * does not grow with the text, but for a few numbers a window.
 *
 * <p>By default a text is a stream: windows follow each other, and every token but the first is predicted. Windows may
 * {@link #stride overlap}, so that each prediction has a longer context, and may {@link #documents end with documents}.
 *
 * <p>A window's score does not depend on how many others share its batch. Where experts have a capacity that several
 * sequences share ({@code routing.group} above 1), batches are whole groups; where the whole batch shares it
 * ({@code routing.group} 0, as published), the batch is part of what is measured.
 *
 * <p>The processes of a model share the windows among them, and all get the same score. Each process must score the same
 * texts in the same order.
 *
 * <p>Immutable; the methods that change a setting give a changed copy.
 */
public final class Perplexity {

    private static final int DEFAULT_BATCH = 8;

    /** Fills the inputs of a window up after the end of its text. */
    static final int FILL = Math.toIntExact(TokenBatch.FILL);

    private final LanguageModel model;
    private final int batch;
    private final long maxWindows;
    private final Windowing windowing;
    private final TokenText text;
    private final Progress progress;

    /**
     * How a text is cut.
     *
     * @param length tokens in a window
     * @param stride tokens from one window to the next; 0: their length
     * @param documentEnd the token that ends a document; −1 for a stream
     */
    private record Windowing(int length, int stride, int documentEnd) {}

    /** Is notified of the progress of a score. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Is called after each batch, or after each round of one batch per process.
         *
         * @param windows scored so far, by all processes
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

    /** Scores whole texts as streams, eight windows of the model's context at a time, without byte and word counts. */
    public static Perplexity of(LanguageModel model) {
        Windowing windowing = new Windowing(model.config().context(), 0, -1);
        return new Perplexity(model, DEFAULT_BATCH, Long.MAX_VALUE, windowing, TokenText.NONE, (_, _, _) -> {});
    }

    /** With another number of windows at a time: a matter of speed and memory. */
    public Perplexity batch(int windows) {
        if (windows < 1) {
            throw new EvalException("cannot score " + windows + " windows at a time; give at least 1");
        }
        return new Perplexity(model, windows, maxWindows, windowing, text, progress);
    }

    /** Scores at most that many windows, spread evenly over the text: always the same ones. */
    public Perplexity maxWindows(long windows) {
        if (windows < 1) {
            throw new EvalException("cannot score " + windows + " windows; give at least 1");
        }
        return new Perplexity(model, batch, windows, windowing, text, progress);
    }

    /** With windows of that many tokens, at most the model's context. */
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
     * With windows that begin that many tokens apart, at most their length: all but a text's first one score so many
     * tokens, with the others as context.
     */
    public Perplexity stride(int tokens) {
        if (tokens < 1) {
            throw new EvalException("windows cannot move by " + tokens + " tokens; give at least 1");
        }
        Windowing changed = new Windowing(windowing.length(), tokens, windowing.documentEnd());
        return new Perplexity(model, batch, maxWindows, changed, text, progress);
    }

    /** With windows that do not cross the ends of documents, each of which begins behind that token. */
    public Perplexity documents(int endOfText) {
        Windowing changed = new Windowing(windowing.length(), windowing.stride(), endOfText);
        return new Perplexity(model, batch, maxWindows, changed, text, progress);
    }

    /** Divides the size of a text among its tokens by what they decode to; without it by their number. */
    public Perplexity tokenizer(Tokenizer tokenizer) {
        return new Perplexity(model, batch, maxWindows, windowing, TokenText.of(tokenizer), progress);
    }

    public Perplexity onProgress(Progress listener) {
        return new Perplexity(model, batch, maxWindows, windowing, text, listener);
    }

    /** The windows that {@link #score} scores of a text. */
    public long windows(TokenStream stream) {
        return Math.min(maxWindows, cut(stream).windows());
    }

    private EvalWindows cut(TokenStream stream) {
        EvalWindows windows = new EvalWindows(stream, windowing.length(), FILL);
        if (windowing.stride() > 0) {
            windows = windows.stride(windowing.stride());
        }
        return windowing.documentEnd() < 0 ? windows : windows.documents(windowing.documentEnd());
    }

    /**
     * Scores a text of unknown size.
     *
     * @throws EvalException if a token is not in the model's vocabulary, or a loss is not finite
     * @throws dev.moe4j.text.DataException if the text has fewer than two tokens, or windows would move by more than
     *     their length
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
     * Scores a text of known size, as {@link #score(TokenStream)} does. The score's bytes and words are those of the
     * source, in the share that the predicted tokens have of the decoded text.
     *
     * @param source the size of the text that the stream was made from; without words, those of the decoded text count
     */
    public Score score(TokenStream stream, TextSize source) {
        Score score = score(stream, text);
        TextSize whole = text.size(stream);
        double tokens = (double) score.tokens() / stream.tokens();
        long bytes = part(source.bytes(), score.bytes(), whole.bytes(), tokens);
        long words = source.words() == 0 ? score.words() : part(source.words(), score.words(), whole.words(), tokens);
        return new Score(score.windowNats(), score.windowTokens(), bytes, words, score.load());
    }

    /** The same share of a source as a part has of the whole decoded text; that of its tokens if nothing is decoded. */
    private static long part(long source, long part, long whole, double tokens) {
        return Math.round(source * (whole == 0 ? tokens : (double) part / whole));
    }
}
