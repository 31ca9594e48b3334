package dev.moe4j.model.decode;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import java.util.Arrays;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * Runs a model over sequences that grow, and keeps each layer's keys and values, so that a token costs a pass over that
 * token alone. Sequences may have different lengths, and an append may give each another number of tokens: none is
 * padding, and what one gets does not depend on the others. Experts have no capacity here, whatever the routing's
 * strategy.
 *
 * <p>A text that many continuations share is read once:
 *
 * <pre>{@code
 * try (Decoder prefix = Decoder.of(model, 1, question.length)) {
 *     prefix.append(question);
 *     try (Decoder choices = prefix.fork(capacity, 0, 0, 0)) {
 *         double[][] nats = choices.score(first, second, third);
 *     }
 * }
 * }</pre>
 *
 * <p>Its memory is taken when it is made and freed when it is closed: 2 · layers · sequences · capacity · model elements
 * of the compute type. To be used by one thread at a time, and not after its model is closed.
 */
public final class Decoder implements AutoCloseable {

    /**
     * Up to so many bytes that a layer's widest product reads, each weight once for each token, several threads take longer
     * to meet than one takes to compute: docs/log.md has the measurement.
     */
    private static final long SMALL_PRODUCT = 2L << 20;

    private final LanguageModel model;
    private final KeyValueCache cache;
    private final Scope scope;
    /** The normalised hidden state behind each sequence's last token. */
    private final Tensor last_BD;
    /** Choices that each expert of the L mixtures got. */
    private final Tensor load_LE;

    /**
     * @param scope owns all memory
     */
    private Decoder(LanguageModel model, int sequences, int capacity, Scope scope) {
        this.scope = scope;
        ModelConfig config = model.config();
        if (sequences < 1 || capacity < 1) {
            throw new ModelException("a decoder of " + sequences + " sequences of " + capacity
                    + " tokens holds nothing; give at least 1 of each");
        }
        if (capacity > config.context()) {
            throw new ModelException("a decoder cannot have room for " + capacity
                    + " tokens of a sequence, more than the model's context of " + config.context());
        }
        this.model = model;
        DType type = model.parameters().precision().compute();
        this.cache = new KeyValueCache(config, type, model.device(), sequences, capacity, scope);
        try (Scope _ = Scope.open()) {
            this.last_BD = scope.keep(Tensor.zeros(type, model.device(), sequences, config.width()));
            this.load_LE =
                    scope.keep(Tensor.zeros(DType.FLOAT64, model.device(), config.moeLayers(), config.experts()));
        }
    }

    /**
     * A decoder of empty sequences.
     *
     * @param sequences how many
     * @param capacity the tokens that each has room for, at most the model's context
     */
    public static Decoder of(LanguageModel model, int sequences, int capacity) {
        return Scope.owner(scope -> new Decoder(model, sequences, capacity, scope));
    }

    /**
     * A decoder whose sequences begin as copies of this one's; neither notices what becomes of the other.
     *
     * @param capacity the tokens that each new sequence has room for, those that it begins with included
     * @param sequences the number of the sequence that each new one continues; one may be named several times
     */
    public Decoder fork(int capacity, int... sequences) {
        for (int sequence : sequences) {
            if (length(sequence) > capacity) {
                throw new ModelException("sequence " + sequence + " has " + length(sequence)
                        + " tokens, more than the room for " + capacity + " that its fork would have");
            }
        }
        return Scope.owner(forkScope -> {
            Decoder fork = new Decoder(model, sequences.length, capacity, forkScope);
            fork.copyFrom(this, sequences);
            return fork;
        });
    }

    /** Fills this empty decoder: its sequence i begins as the other's sequence {@code of[i]}. */
    private void copyFrom(Decoder other, int... of) {
        cache.copyFrom(other.cache, of);
        try (Scope _ = Scope.open()) {
            long[] rows = Arrays.stream(of).asLongStream().toArray();
            last_BD.copy(other.last_BD.indexSelect(0, Tensor.of(rows).to(model.device())));
        }
    }

    /** Empties all sequences. */
    public void clear() {
        for (int sequence = 0; sequence < sequences(); sequence++) {
            clear(sequence);
        }
    }

    /** Empties a sequence, so that another can begin in its place. */
    public void clear(int sequence) {
        cache.clear(sequence);
    }

    public int sequences() {
        return cache.sequences();
    }

    /** The tokens of a sequence so far. */
    public int length(int sequence) {
        return cache.length(sequence);
    }

    /**
     * How many choices each expert got from all tokens so far, those of cleared sequences included, {@code
     * [mixtures][experts]}; empty for a dense model. Asking waits for the device.
     */
    public double[][] expertLoad() {
        int experts = model.config().experts();
        double[] all = load_LE.elements() == 0 ? new double[0] : load_LE.toDoubles();
        return IntStream.range(0, model.config().moeLayers())
                .mapToObj(mixture -> Arrays.copyOfRange(all, mixture * experts, (mixture + 1) * experts))
                .toArray(double[][]::new);
    }

    /** The tokens that each sequence has room for. */
    public int capacity() {
        return cache.capacity();
    }

    /**
     * Appends tokens.
     *
     * @param tokens those of each sequence, {@code [sequences][]}; some may be empty
     * @throws ModelException if a token is not in the vocabulary, or there is no room for it
     */
    public void append(int[]... tokens) {
        checkAll(tokens);
        appendFrom(0, tokens);
    }

    /**
     * Appends tokens to some sequences, and costs nothing for the others.
     *
     * @param first the sequence that gets {@code tokens[0]}; those after it get the others
     * @param tokens of neighbouring sequences; some may be empty
     * @throws ModelException if there are no such sequences, a token is not in the vocabulary, or there is no room for it
     */
    public void appendFrom(int first, int[]... tokens) {
        try (Scope _ = Scope.open()) {
            run(first, tokens);
        }
    }

    /**
     * Appends tokens and gives the logits behind each of them, {@code [tokens, vocabulary]} in the compute type, sequence
     * by sequence, in the innermost scope.
     *
     * @throws ModelException as {@link #append} does
     */
    public Tensor extend(int[]... tokens) {
        checkAll(tokens);
        return extendFrom(0, tokens);
    }

    /**
     * Appends tokens to some sequences and gives the logits behind each of them, as {@link #extend} does.
     *
     * @param first as in {@link #appendFrom}
     * @throws ModelException as {@link #appendFrom} does
     */
    public Tensor extendFrom(int first, int[]... tokens) {
        try (Scope inner = Scope.open()) {
            return inner.escape(logits(run(first, tokens)));
        }
    }

    /**
     * The logits behind each sequence's last token, {@code [sequences, vocabulary]} in the compute type, in the innermost
     * scope.
     *
     * @throws ModelException if a sequence is empty
     */
    public Tensor next() {
        for (int sequence = 0; sequence < sequences(); sequence++) {
            requireBeginning(sequence);
        }
        return logits(last_BD);
    }

    /**
     * The logits behind the last token of each of these sequences, {@code [sequences, vocabulary]} in the compute type, in
     * the innermost scope.
     *
     * @throws ModelException if one of them is empty
     */
    public Tensor nextOf(int... sequences) {
        for (int sequence : sequences) {
            requireBeginning(sequence);
        }
        try (Scope inner = Scope.open()) {
            long[] rows = Arrays.stream(sequences).asLongStream().toArray();
            return inner.escape(logits(last_BD.indexSelect(0, Tensor.of(rows).to(model.device()))));
        }
    }

    /**
     * Appends tokens and gives −ln p of each of them after everything before it, in nats, {@code [sequences][tokens]}.
     *
     * @throws ModelException as {@link #append} does, or if a sequence that gets tokens was empty: nothing predicts a
     *     first token
     */
    public double[][] score(int[]... tokens) {
        checkAll(tokens);
        for (int sequence = 0; sequence < sequences(); sequence++) {
            if (tokens[sequence].length > 0) {
                requireBeginning(sequence);
            }
        }
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            Tensor before_BD = last_BD.copy();
            Tensor hidden_TD = run(0, tokens);
            Tensor previous_TD = Tensor.concat(0, before_BD, hidden_TD)
                    .indexSelect(0, Tensor.of(predecessors(tokens)).to(model.device()));
            Tensor targets_T = Tensor.of(flat(tokens)).to(model.device());
            HeadSection head = new HeadSection(
                    model.output(), model.parameters().precision().stable(), 1, model.kernels());
            double[] nats = tape.runAll(head, tape.constant(previous_TD), tape.constant(targets_T))[1]
                    .tensor()
                    .toDoubles();
            double[][] scores = new double[tokens.length][];
            int at = 0;
            for (int sequence = 0; sequence < tokens.length; sequence++) {
                scores[sequence] = Arrays.copyOfRange(nats, at, at += tokens[sequence].length);
            }
            return scores;
        }
    }

    /** For each token the row of the state before it, in the sequences' last states followed by the tokens' own. */
    private static long[] predecessors(int[]... tokens) {
        long[] rows = new long[count(tokens)];
        int at = 0;
        for (int sequence = 0; sequence < tokens.length; sequence++) {
            for (int i = 0; i < tokens[sequence].length; i++, at++) {
                rows[at] = i == 0 ? sequence : (long) tokens.length + at - 1;
            }
        }
        return rows;
    }

    private Tensor logits(Tensor hidden_TD) {
        return onThreadsFor(
                (int) hidden_TD.size(0),
                () -> Functions.linear(hidden_TD, model.output().tensor()));
    }

    /** Appends tokens and gives the normalised hidden states behind them, {@code [tokens, model]}. */
    private Tensor run(int first, int[]... tokens) {
        check(first, tokens);
        return onThreadsFor(count(tokens), () -> continued(first, tokens));
    }

    /** Computes for so many tokens, on one thread where they are too few for several. */
    Tensor onThreadsFor(int tokens, Supplier<Tensor> work) {
        if (model.device().isCuda()) {
            return work.get();
        }
        ModelConfig config = model.config();
        long widest = (long) config.width() * Math.max(config.ffn(), 3 * config.width());
        long bytes = tokens * widest * last_BD.dtype().bytes();
        return bytes > SMALL_PRODUCT ? work.get() : Libtorch.onOneThread(work);
    }

    private Tensor continued(int first, int[]... tokens) {
        int[] counts = Arrays.stream(tokens).mapToInt(own -> own.length).toArray();
        long[] rows = new long[count(tokens)];
        long[] ends = Arrays.stream(counts).filter(n -> n > 0).asLongStream().toArray();
        long[] grown = new long[ends.length];
        int at = 0;
        int next = 0;
        for (int sequence = 0; sequence < tokens.length; sequence++) {
            for (int i = 0; i < counts[sequence]; i++, at++) {
                rows[at] = (long) SinusoidalPositions.FIRST_ROW + length(first + sequence) + i;
            }
            if (counts[sequence] > 0) {
                grown[next] = (long) first + sequence;
                ends[next++] = at - 1L;
            }
        }
        ModelConfig config = model.config();
        KeyValueCache.Places places =
                cache.places(model.parameters().precision().compute(), first, counts);
        IntFunction<Section> attention = layer -> new CachedAttentionSection(
                "layers." + layer + ".attention", model.attentionWeights(layer), config.heads(), cache, layer, places);
        Tensor hidden_TD = model.continued(
                flat(tokens),
                rows,
                attention,
                (choices_E, mixture) -> load_LE.select(0, mixture).addInPlace(choices_E.to(model.device())));
        Device device = model.device();
        last_BD.indexCopyInPlace(
                0,
                Tensor.of(grown).to(device),
                hidden_TD.indexSelect(0, Tensor.of(ends).to(device)));
        cache.grow(first, counts);
        return hidden_TD;
    }

    private static int count(int[]... tokens) {
        return Arrays.stream(tokens).mapToInt(own -> own.length).sum();
    }

    private static long[] flat(int[]... tokens) {
        return Arrays.stream(tokens).flatMapToInt(Arrays::stream).asLongStream().toArray();
    }

    private void checkAll(int[]... tokens) {
        if (tokens.length != sequences()) {
            throw new ModelException(
                    "tokens for " + tokens.length + " sequences were given to a decoder of " + sequences());
        }
    }

    private void check(int first, int[]... tokens) {
        if (first < 0 || first > sequences() - tokens.length) {
            throw new ModelException("tokens for " + tokens.length + " sequences from the one of number " + first
                    + " on were given to a decoder of " + sequences());
        }
        if (count(tokens) == 0) {
            throw new ModelException("no tokens were given to the decoder; give at least one sequence some");
        }
        for (int i = 0; i < tokens.length; i++) {
            int sequence = first + i;
            int length = length(sequence) + tokens[i].length;
            if (length > capacity()) {
                throw new ModelException("sequence " + sequence + " would have " + length
                        + " tokens, and the decoder has room for " + capacity() + " of each, the model for "
                        + model.config().context());
            }
            for (int token : tokens[i]) {
                if (token < 0 || token >= model.config().vocabulary()) {
                    throw new ModelException(
                            "sequence " + sequence + " has the token " + token + ", and the model's vocabulary has "
                                    + model.config().vocabulary());
                }
                if (token == model.config().padding()) {
                    throw new ModelException("sequence " + sequence + " has the padding token " + token
                            + "; a decoder's sequences may differ in length, so leave it out");
                }
            }
        }
    }

    private void requireBeginning(int sequence) {
        if (length(sequence) == 0) {
            throw new ModelException(
                    "sequence " + sequence + " is empty, and nothing predicts a first token; append one first");
        }
    }

    @Override
    public void close() {
        scope.close();
    }
}
