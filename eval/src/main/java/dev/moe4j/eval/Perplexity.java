package dev.moe4j.eval;

import dev.moe4j.data.EvalWindows;
import dev.moe4j.data.TokenStream;
import dev.moe4j.data.Tokenizer;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.Pass;
import dev.moe4j.model.RoutingConfig;
import dev.moe4j.model.TokenBatch;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tape;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Scores text with a model: the negative log-likelihood of every token but the first, in windows of the model's context
 * that do not overlap. Memory does not grow with the text, but for two numbers a window.
 *
 * <p>A window's score does not depend on how many others share its batch. Where experts have a capacity that several
 * sequences share ({@code routing.group} above 1), batches are whole groups; where the whole batch shares it
 * ({@code routing.group} 0, as published), the batch is part of what is measured.
 *
 * <p>Immutable; the methods that change a setting give a changed copy.
 */
public final class Perplexity {

    private static final int DEFAULT_BATCH = 8;

    private final LanguageModel model;
    private final int batch;
    private final long maxWindows;
    private final int[] tokenBytes;
    private final Progress progress;

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

    private Perplexity(LanguageModel model, int batch, long maxWindows, int[] tokenBytes, Progress progress) {
        this.model = model;
        this.batch = batch;
        this.maxWindows = maxWindows;
        this.tokenBytes = tokenBytes;
        this.progress = progress;
    }

    /** Scores whole texts, eight windows at a time, without byte counts. */
    public static Perplexity of(LanguageModel model) {
        return new Perplexity(model, DEFAULT_BATCH, Long.MAX_VALUE, new int[0], (_, _, _) -> {});
    }

    /** With another number of windows at a time: a matter of speed and memory. */
    public Perplexity batch(int windows) {
        if (windows < 1) {
            throw new EvalException("cannot score " + windows + " windows at a time; give at least 1");
        }
        return new Perplexity(model, windows, maxWindows, tokenBytes, progress);
    }

    /** Scores at most that many windows, spread evenly over the text: always the same ones. */
    public Perplexity maxWindows(long windows) {
        if (windows < 1) {
            throw new EvalException("cannot score " + windows + " windows; give at least 1");
        }
        return new Perplexity(model, batch, windows, tokenBytes, progress);
    }

    /** Counts the bytes that tokens stand for. */
    public Perplexity tokenizer(Tokenizer tokenizer) {
        int[] bytes = new int[tokenizer.vocabularySize()];
        for (int id = 0; id < bytes.length; id++) {
            bytes[id] = tokenizer.bytes(id).length;
        }
        return new Perplexity(model, batch, maxWindows, bytes, progress);
    }

    public Perplexity onProgress(Progress listener) {
        return new Perplexity(model, batch, maxWindows, tokenBytes, listener);
    }

    /**
     * Scores a text.
     *
     * @throws EvalException if a token is not in the model's vocabulary, or a loss is not finite
     * @throws dev.moe4j.data.DataException if the text has fewer than two tokens
     */
    public Score score(TokenStream text) {
        return new Run(new EvalWindows(
                        text,
                        model.config().context(),
                        Math.max(0, model.config().padding())))
                .score();
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
        private final int length;
        private final int count;
        private final int group = group();
        private final double[] nats;
        private final long[] tokens;
        private final Map<Integer, double[]> load = new LinkedHashMap<>();
        private double loaded;
        private double sum;
        private long predicted;
        private long bytes;

        Run(EvalWindows windows) {
            this.windows = windows;
            this.length = windows.length();
            this.count = Math.toIntExact(Math.min(windows.windows(), maxWindows));
            this.nats = new double[count];
            this.tokens = new long[count];
        }

        Score score() {
            int step = Math.ceilDiv(batch, group) * group;
            for (int from = 0; from < count; ) {
                int to = Math.min(from + step, count);
                if (group == 1 && to - from > 1 && isShort(to - 1)) {
                    // Scored alone, at its own length: its padding would be routed to experts.
                    to--;
                }
                scoreBatch(from, to);
                progress.scored(to, count, sum / predicted);
                from = to;
            }
            load.values().forEach(layer -> Arrays.setAll(layer, e -> layer[e] / loaded));
            return new Score(
                    nats,
                    tokens,
                    bytes,
                    load.entrySet().stream()
                            .map(entry -> new Score.ExpertLoad(entry.getKey(), entry.getValue()))
                            .toList());
        }

        /** The number in the text of the scored window {@code i}. */
        private long number(int i) {
            long total = windows.windows();
            return count == total ? i : (long) ((i + 0.5) / count * total);
        }

        private boolean isShort(int i) {
            return number(i) == windows.windows() - 1 && windows.predictions() % length != 0;
        }

        private void scoreBatch(int from, int to) {
            int size = Math.ceilDiv(to - from, group) * group;
            int[] inputs = new int[size * length];
            int[] targets = new int[size * length];
            Arrays.fill(inputs, Math.max(0, model.config().padding()));
            Arrays.fill(targets, EvalWindows.NO_TARGET);
            for (int i = from; i < to; i++) {
                tokens[i] = windows.window(number(i), inputs, targets, (i - from) * length);
            }
            int used = group == 1 && to - from == 1 ? (int) tokens[from] : size * length;
            TokenBatch tokenBatch = new TokenBatch(checked(inputs, used), checked(targets, used), size);
            try (Scope _ = Scope.open();
                    Tape tape = Tape.inference()) {
                LossReport report = model.loss(tape, tokenBatch, Pass.evaluation(size));
                addLosses(report.nll().tensor().toDoubles(), from, to, tokenBatch.length());
                addLoad(report.routing(), tokenBatch.tokens().length);
            }
            for (int i = 0; i < used; i++) {
                if (targets[i] >= 0 && targets[i] < tokenBytes.length) {
                    bytes += tokenBytes[targets[i]];
                }
            }
        }

        private long[] checked(int[] ids, int used) {
            int vocabulary = model.config().vocabulary();
            long[] wide = new long[used];
            for (int i = 0; i < used; i++) {
                if (ids[i] >= vocabulary) {
                    throw new EvalException("the text has the token " + ids[i] + ", and the model's vocabulary has "
                            + vocabulary + "; prepare the text with the model's own tokenizer");
                }
                wide[i] = ids[i];
            }
            return wide;
        }

        private void addLosses(double[] nll, int from, int to, int width) {
            for (int i = from; i < to; i++) {
                double window = 0;
                for (int t = 0; t < tokens[i]; t++) {
                    window += nll[(i - from) * width + t];
                }
                if (!Double.isFinite(window)) {
                    throw new EvalException("the loss of window " + number(i) + " of the text is " + window
                            + ": the model's parameters or its precision cannot be used; take an earlier checkpoint,"
                            + " or fp32");
                }
                nats[i] = window;
                sum += window;
                predicted += tokens[i];
            }
        }

        private void addLoad(List<LossReport.LayerRouting> routing, int routed) {
            loaded += routed;
            for (LossReport.LayerRouting layer : routing) {
                double[] shares = layer.statistics().load();
                double[] total = load.computeIfAbsent(layer.layer(), _ -> new double[shares.length]);
                for (int e = 0; e < total.length; e++) {
                    total[e] += shares[e] * routed;
                }
            }
        }
    }
}
