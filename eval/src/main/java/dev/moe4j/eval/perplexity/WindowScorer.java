package dev.moe4j.eval.perplexity;

import dev.moe4j.data.prepare.TokenText;
import dev.moe4j.data.sample.EvalWindows;
import dev.moe4j.eval.EvalException;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;

/**
 * Scores the windows of one text. The model's processes share the batches in rounds of one batch each. Batches do not
 * depend on the number of processes, and losses are added in the order of the text, so the score does not depend on it
 * either.
 *
 * <p>Processes that hold shards of a model exchange tensors in each forward pass. In a round with fewer batches than
 * processes, the idle processes therefore compute the round's first batch too, and discard its losses.
 */
final class WindowScorer {

    private final LanguageModel model;
    private final EvalWindows windows;
    private final int count;
    private final int batch;
    private final TokenText text;
    private final Perplexity.Progress progress;
    private final ProcessGroup everyone;
    private final boolean hasCapacity;
    /** The number of sequences that share the experts' capacity and must therefore share a batch. */
    private final int group;

    private final double[] nats;
    private final long[] tokens;
    private final List<ExpertLoadSums> layers = new ArrayList<>();
    private long bytes;
    private long words;
    /** Sum of the losses in this process. */
    private double lossSum;

    private long predicted;

    /**
     * Creates a scorer.
     *
     * @param count windows to score, spread evenly over the text
     * @param batch windows per batch
     * @param text counts the bytes and words of the predicted tokens
     */
    WindowScorer(
            LanguageModel model,
            EvalWindows windows,
            int count,
            int batch,
            TokenText text,
            Perplexity.Progress progress) {
        this.model = model;
        this.windows = windows;
        this.count = count;
        this.batch = batch;
        this.text = text;
        this.progress = progress;
        this.everyone = model.parallelContext().everyone();
        RoutingConfig routing = model.architecture().routing();
        this.hasCapacity = model.config().experts() > 0 && routing.strategy() == RoutingConfig.Strategy.CAPACITY;
        this.group = hasCapacity ? Math.max(1, routing.group()) : 1;
        this.nats = new double[count];
        this.tokens = new long[count];
    }

    /** Returns the score, which is equal in all processes. Bytes and words are counted in the decoded text. */
    Score score() {
        int here = everyone.members().index();
        int done = 0;
        for (List<int[]> round : rounds()) {
            boolean own = here < round.size();
            // Every process reads the whole round, so a token outside the vocabulary fails in all of them.
            List<Batch> batches = round.stream().map(this::read).toList();
            scoreBatch(own, batches.get(own ? here : 0));
            done += round.stream().mapToInt(windowsOf -> windowsOf.length).sum();
            progress.scored(done, count, lossSum / predicted);
            if (everyone.any(!Double.isFinite(lossSum), "whether losses are finite")) {
                gather();
                throw notFinite();
            }
        }
        gather();
        return new Score(
                nats,
                tokens,
                bytes,
                words,
                layers.stream().map(ExpertLoadSums::mean).toList());
    }

    /**
     * Groups batches into rounds that are computed in parallel. If experts have a capacity, all processes must send the
     * same number of tokens, so the batches of a round have the same shape.
     */
    private List<List<int[]>> rounds() {
        List<List<int[]>> rounds = new ArrayList<>();
        for (int[] next : batches()) {
            List<int[]> last = rounds.isEmpty() ? List.of() : rounds.getLast();
            boolean joins = !last.isEmpty()
                    && last.size() < everyone.members().size()
                    && (!hasCapacity || Arrays.equals(shape(last.getFirst()), shape(next)));
            if (!joins) {
                rounds.add(new ArrayList<>());
            }
            rounds.getLast().add(next);
        }
        return rounds;
    }

    /**
     * Groups the scored windows into batches of indices. Windows of a batch have the same length, unless they share a
     * capacity.
     */
    private List<int[]> batches() {
        int step = Math.ceilDiv(batch, group) * group;
        int[] order = order();
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < count; ) {
            int to = Math.min(from + step, count);
            while (!shared() && width(order[to - 1]) != width(order[from])) {
                to--;
            }
            batches.add(Arrays.copyOfRange(order, from, to));
            from = to;
        }
        return batches;
    }

    /**
     * The order of the windows: text order if windows share a capacity, otherwise by length, so that no window is
     * padded.
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

    /** The batch's shape: number of sequences and their length. */
    private int[] shape(int... chosen) {
        return new int[] {Math.ceilDiv(chosen.length, group) * group, shared() ? windows.length() : width(chosen[0])};
    }

    /** The position in the text of the {@code i}-th scored window. */
    private long number(int i) {
        long total = windows.windows();
        return count == total ? i : (long) ((i + 0.5) / count * total);
    }

    private int width(int i) {
        return windows.length(number(i));
    }

    /**
     * A batch of windows, padded to one width.
     *
     * @param chosen their indices among the scored windows
     * @param targetCounts number of tokens with a loss in each window
     */
    private record Batch(int[] chosen, int size, int width, int[] inputs, int[] targets, int[] targetCounts) {}

    /**
     * Reads a batch.
     *
     * @throws EvalException if a token is outside the model's vocabulary
     */
    private Batch read(int... chosen) {
        int size = shape(chosen)[0];
        int width = shape(chosen)[1];
        int[] inputs = new int[size * width];
        int[] targets = new int[size * width];
        Arrays.fill(inputs, Perplexity.PADDING);
        Arrays.fill(targets, EvalWindows.NO_TARGET);
        int[] targetCounts = new int[chosen.length];
        for (int i = 0; i < chosen.length; i++) {
            targetCounts[i] = windows.window(number(chosen[i]), inputs, targets, i * width, width);
        }
        check(inputs);
        check(targets);
        return new Batch(chosen, size, width, inputs, targets, targetCounts);
    }

    /**
     * Computes the losses of a batch.
     *
     * @param own whether the batch belongs to this process, so that its losses count
     */
    private void scoreBatch(boolean own, Batch of) {
        int[] chosen = of.chosen();
        int[] inputs = of.inputs();
        int[] targets = of.targets();
        int width = of.width();
        TokenBatch tokenBatch = new TokenBatch(wide(inputs), wide(targets), of.size());
        int routed = own
                ? (int) Arrays.stream(inputs)
                        .filter(id -> id != Perplexity.PADDING)
                        .count()
                : 0;
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            LossReport report = model.loss(tape, tokenBatch, PassContext.evaluation(of.size()));
            double[] nll = report.nll().tensor().toDoubles();
            List<LayerRouting> routing = report.routing();
            for (int i = 0; i < routing.size(); i++) {
                if (i == layers.size()) {
                    layers.add(new ExpertLoadSums(routing.get(i).layer()));
                }
                layers.get(i).add(routing.get(i).statistics(), routed);
            }
            for (int i = 0; own && i < chosen.length; i++) {
                nats[chosen[i]] = Arrays.stream(nll, i * width, (i + 1) * width).sum();
                tokens[chosen[i]] = of.targetCounts()[i];
                lossSum += nats[chosen[i]];
                predicted += of.targetCounts()[i];
            }
        }
        for (int i = 0; own && i < targets.length; i++) {
            if (targets[i] >= 0) {
                bytes += text.bytes(targets[i]);
                words += text.words(inputs[i], targets[i]);
            }
        }
    }

    private void check(int... ids) {
        int vocabulary = model.config().vocabulary();
        for (int id : ids) {
            if (id >= vocabulary) {
                throw new EvalException("the text has the token id " + id + ", but the model's vocabulary has "
                        + vocabulary + " entries; prepare the text with the model's tokenizer");
            }
        }
    }

    private static long[] wide(int... ids) {
        return Arrays.stream(ids).asLongStream().toArray();
    }

    /** Sums the results over the processes. Each window was scored by one process and is 0 in the others. */
    private void gather() {
        System.arraycopy(everyone.sum(nats, "losses of windows"), 0, nats, 0, count);
        double[] counts = everyone.sum(
                LongStream.concat(LongStream.of(tokens), LongStream.of(bytes, words))
                        .asDoubleStream()
                        .toArray(),
                "tokens of windows");
        Arrays.setAll(tokens, i -> (long) counts[i]);
        bytes = (long) counts[count];
        words = (long) counts[count + 1];
        layers.replaceAll(layer -> layer.over(everyone));
    }

    private EvalException notFinite() {
        int window = IntStream.range(0, count)
                .filter(i -> !Double.isFinite(nats[i]))
                .findFirst()
                .orElseThrow();
        return new EvalException("the loss of window " + number(window) + " of the text is " + nats[window]
                + ": the parameters are damaged or the precision is too low; use an earlier checkpoint or fp32");
    }
}
