package dev.moe4j.eval;

import dev.moe4j.data.EvalWindows;
import dev.moe4j.data.TokenStream;
import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.Pass;
import dev.moe4j.model.RoutingConfig;
import dev.moe4j.model.RoutingStatistics;
import dev.moe4j.model.TokenBatch;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tape;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

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
 * <p>Immutable; the methods that change a setting give a changed copy.
 */
public final class Perplexity {

    private static final int DEFAULT_BATCH = 8;

    private static final int FILL = Math.toIntExact(TokenBatch.FILL);

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

    /** Hears how far a score is. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Is called after each batch.
         *
         * @param windows scored so far
         * @param total windows to score
         * @param loss nats per token so far
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

    /** Counts the bytes and words that tokens stand for. */
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
     * Scores a text.
     *
     * @throws EvalException if a token is not in the model's vocabulary, or a loss is not finite
     * @throws dev.moe4j.data.DataException if the text has fewer than two tokens, or windows would move by more than
     *     their length
     */
    public Score score(TokenStream stream) {
        return new Run(cut(stream)).score();
    }

    /** Sequences that share the experts' capacity, so that they must share a batch. */
    private int group() {
        RoutingConfig routing = model.architecture().routing();
        boolean shared = model.config().experts() > 0 && routing.strategy() == RoutingConfig.Strategy.CAPACITY;
        return shared ? Math.max(1, routing.group()) : 1;
    }

    /** One text on its way. */
    private final class Run {
        private final EvalWindows windows;
        private final int count;
        private final int group = group();
        private final double[] nats;
        private final long[] tokens;
        private final Map<Integer, LayerSums> layers = new LinkedHashMap<>();
        private double sum;
        private long predicted;
        private long bytes;
        private long words;

        Run(EvalWindows windows) {
            this.windows = windows;
            this.count = Math.toIntExact(Math.min(windows.windows(), maxWindows));
            this.nats = new double[count];
            this.tokens = new long[count];
        }

        Score score() {
            int step = Math.ceilDiv(batch, group) * group;
            int[] order = order();
            for (int from = 0; from < count; ) {
                int to = Math.min(from + step, count);
                while (!shared() && width(order[to - 1]) != width(order[from])) {
                    to--;
                }
                scoreBatch(Arrays.copyOfRange(order, from, to));
                progress.scored(to, count, sum / predicted);
                from = to;
            }
            return new Score(
                    nats,
                    tokens,
                    bytes,
                    words,
                    layers.entrySet().stream()
                            .map(entry -> entry.getValue().mean(entry.getKey()))
                            .toList());
        }

        /**
         * The scored windows in the order of the text where they share a capacity; else those of one length together, so
         * that none is filled up.
         */
        private int[] order() {
            IntStream all = IntStream.range(0, count);
            return shared()
                    ? all.toArray()
                    : all.boxed()
                            .sorted(Comparator.comparingInt(i -> -width(i)))
                            .mapToInt(Integer::intValue)
                            .toArray();
        }

        private boolean shared() {
            return group > 1;
        }

        /** The number in the text of the scored window {@code i}. */
        private long number(int i) {
            long total = windows.windows();
            return count == total ? i : (long) ((i + 0.5) / count * total);
        }

        private int width(int i) {
            return windows.length(number(i));
        }

        /** Scores the windows of these indices; all have one length where none shares a capacity with another. */
        private void scoreBatch(int... chosen) {
            int size = Math.ceilDiv(chosen.length, group) * group;
            int width = shared() ? windows.length() : width(chosen[0]);
            int[] inputs = new int[size * width];
            int[] targets = new int[size * width];
            Arrays.fill(inputs, FILL);
            Arrays.fill(targets, EvalWindows.NO_TARGET);
            for (int i = 0; i < chosen.length; i++) {
                tokens[chosen[i]] = windows.window(number(chosen[i]), inputs, targets, i * width, width);
            }
            TokenBatch tokenBatch = new TokenBatch(checked(inputs), checked(targets), size);
            try (Scope _ = Scope.open();
                    Tape tape = Tape.inference()) {
                LossReport report = model.loss(tape, tokenBatch, Pass.evaluation(size));
                addLosses(report.nll().tensor().toDoubles(), width, chosen);
                int routed = Math.toIntExact(
                        Arrays.stream(inputs).filter(id -> id != FILL).count());
                for (LossReport.LayerRouting layer : report.routing()) {
                    layers.computeIfAbsent(layer.layer(), _ -> new LayerSums()).add(layer.statistics(), routed);
                }
            }
            for (int i = 0; i < targets.length; i++) {
                if (targets[i] >= 0) {
                    bytes += text.bytes(targets[i]);
                    words += text.words(inputs[i], targets[i]);
                }
            }
        }

        private long[] checked(int... ids) {
            int vocabulary = model.config().vocabulary();
            long[] wide = new long[ids.length];
            for (int i = 0; i < ids.length; i++) {
                if (ids[i] >= vocabulary) {
                    throw new EvalException("the text has the token " + ids[i] + ", and the model's vocabulary has "
                            + vocabulary + "; prepare the text with the model's own tokenizer");
                }
                wide[i] = ids[i];
            }
            return wide;
        }

        /** Adds each window's losses, which are 0 where it predicts nothing. */
        private void addLosses(double[] nll, int width, int... chosen) {
            for (int i = 0; i < chosen.length; i++) {
                double window = Arrays.stream(nll, i * width, (i + 1) * width).sum();
                if (!Double.isFinite(window)) {
                    throw new EvalException("the loss of window " + number(chosen[i]) + " of the text is " + window
                            + ": the model's parameters or its precision cannot be used; take an earlier checkpoint,"
                            + " or fp32");
                }
                nats[chosen[i]] = window;
                sum += window;
                predicted += tokens[chosen[i]];
            }
        }
    }

    /** One layer's statistics, each batch's weighted by its tokens. */
    private static final class LayerSums {
        private double[] load = {};
        private double[] overflow = {};
        private double weight;

        void add(RoutingStatistics statistics, int routed) {
            load = sum(load, statistics.load(), routed);
            overflow = sum(overflow, statistics.overflow(), routed);
            weight += routed;
        }

        private static double[] sum(double[] before, double[] more, int factor) {
            double[] sum = Arrays.copyOf(before, more.length);
            Arrays.setAll(sum, i -> sum[i] + more[i] * factor);
            return sum;
        }

        Score.ExpertLoad mean(int layer) {
            return new Score.ExpertLoad(layer, mean(load), mean(overflow));
        }

        private double[] mean(double... sums) {
            return Arrays.stream(sums).map(value -> value / weight).toArray();
        }
    }
}
