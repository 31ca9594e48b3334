package dev.moe4j.model.decode;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.model.block.Rotation;
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
 * Runs a model over growing sequences with a KV cache, so that each new token costs one pass over that token only. The
 * first {@link #append} to a sequence is its prefill; later ones are decode steps.
 *
 * <p>Sequences may have different lengths, and one append may give each a different number of tokens, without padding. A
 * sequence's result does not depend on the others, which makes continuous batching possible. Routing is dropless,
 * regardless of the configured strategy.
 *
 * <p>A prefix shared by several continuations is read once:
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
 * <p>A decoder allocates its memory when it is created, 2 · layers · sequences · capacity · key heads · head width elements
 * of the compute type, and frees it when it is closed. To be used by one thread at a time, and not after its model is closed.
 */
public final class Decoder implements AutoCloseable {

    /**
     * The most bytes of a layer's widest product, which reads each weight once per token, for which one thread is
     * faster than several. Synchronisation costs more than it saves below this; docs/log.md has the measurement.
     */
    private static final long SMALL_PRODUCT = 2L << 20;

    private final LanguageModel model;
    private final KeyValueCache cache;
    private final Scope scope;
    /** The normalised hidden state of each sequence's last token. */
    private final Tensor last_BD;
    /** The number of choices per expert, for each of the L MoE layers. */
    private final Tensor load_LE;

    /**
     * @param scope owns all memory
     */
    private Decoder(LanguageModel model, int sequences, int capacity, Scope scope) {
        this.scope = scope;
        ModelConfig config = model.config();
        if (sequences < 1 || capacity < 1) {
            throw new ModelException("cannot create a decoder of " + sequences + " sequences of " + capacity
                    + " tokens; give at least 1 of each");
        }
        if (capacity > config.context()) {
            throw new ModelException("a decoder's capacity of " + capacity
                    + " tokens per sequence exceeds the model's context of " + config.context());
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
     * @param sequences the number of sequences
     * @param capacity the maximum length of each sequence in tokens, at most the model's context
     * @throws ModelException if a number is below 1 or the capacity exceeds the context
     */
    public static Decoder of(LanguageModel model, int sequences, int capacity) {
        return Scope.owner(scope -> new Decoder(model, sequences, capacity, scope));
    }

    /**
     * A decoder whose sequences start as copies of this decoder's sequences. The two are independent afterwards.
     *
     * @param capacity the maximum length of each new sequence in tokens, including its copied tokens
     * @param sequences for each new sequence, the index of the sequence to copy; an index may occur several times
     * @throws ModelException if a sequence is longer than the capacity
     */
    public Decoder fork(int capacity, int... sequences) {
        for (int sequence : sequences) {
            if (length(sequence) > capacity) {
                throw new ModelException("sequence " + sequence + " has " + length(sequence)
                        + " tokens, more than its fork's capacity of " + capacity);
            }
        }
        return Scope.owner(forkScope -> {
            Decoder fork = new Decoder(model, sequences.length, capacity, forkScope);
            fork.copyFrom(this, sequences);
            return fork;
        });
    }

    /** Fills this empty decoder: sequence i becomes a copy of the other decoder's sequence {@code of[i]}. */
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

    /** Empties a sequence, so that a new one can take its place. */
    public void clear(int sequence) {
        cache.clear(sequence);
    }

    public int sequences() {
        return cache.sequences();
    }

    /** The length of a sequence in tokens. */
    public int length(int sequence) {
        return cache.length(sequence);
    }

    /**
     * The number of choices that each expert received from all tokens so far, including those of cleared sequences,
     * {@code [MoE layers][experts]}; empty for a dense model. Waits for the device.
     */
    public double[][] expertLoad() {
        int experts = model.config().experts();
        double[] all = load_LE.elements() == 0 ? new double[0] : load_LE.toDoubles();
        return IntStream.range(0, model.config().moeLayers())
                .mapToObj(mixture -> Arrays.copyOfRange(all, mixture * experts, (mixture + 1) * experts))
                .toArray(double[][]::new);
    }

    /** The maximum length of each sequence in tokens. */
    public int capacity() {
        return cache.capacity();
    }

    /**
     * Appends tokens to all sequences.
     *
     * @param tokens each sequence's new tokens, {@code [sequences][]}; some may be empty, but not all
     * @throws ModelException if a token is not in the vocabulary or is padding, or a sequence would exceed the capacity
     */
    public void append(int[]... tokens) {
        checkAll(tokens);
        appendFrom(0, tokens);
    }

    /**
     * Appends tokens to consecutive sequences. The other sequences cost nothing.
     *
     * @param first the index of the sequence that gets {@code tokens[0]}; the following sequences get the other tokens
     * @param tokens the new tokens of consecutive sequences; some may be empty, but not all
     * @throws ModelException if a sequence does not exist, or as {@link #append} does
     */
    public void appendFrom(int first, int[]... tokens) {
        try (Scope _ = Scope.open()) {
            run(first, tokens);
        }
    }

    /**
     * Appends tokens to all sequences and computes the logits after each token.
     *
     * @return {@code [tokens, vocabulary]} in the compute type, sequence by sequence; the innermost scope owns it
     * @throws ModelException as {@link #append} does
     */
    public Tensor extend(int[]... tokens) {
        checkAll(tokens);
        return extendFrom(0, tokens);
    }

    /**
     * Appends tokens to consecutive sequences and computes the logits after each token, as {@link #extend} does.
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
     * The logits after each sequence's last token, {@code [sequences, vocabulary]} in the compute type. The innermost
     * scope owns them.
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
     * The logits after the last token of each given sequence, {@code [sequences, vocabulary]} in the compute type. The
     * innermost scope owns them.
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
     * Appends tokens to all sequences and computes each token's negative log-likelihood, −ln p given everything before
     * it.
     *
     * @return {@code [sequences][tokens]} in nats
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

    /**
     * For each token, the row of the hidden state before it, in the sequences' last states followed by the tokens'
     * states.
     */
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

    /** Appends tokens and returns their normalised hidden states, {@code [tokens, model]}. */
    private Tensor run(int first, int[]... tokens) {
        check(first, tokens);
        return onThreadsFor(count(tokens), () -> extendSequences(first, tokens));
    }

    /** Runs work for a number of tokens, on one thread if there are too few tokens for several. */
    Tensor onThreadsFor(int tokens, Supplier<Tensor> work) {
        if (model.device().isCuda()) {
            return work.get();
        }
        ModelConfig config = model.config();
        int inner = config.feedForward().gated() ? 2 * config.ffn() : config.ffn();
        int projections = (config.heads() + 2 * config.kvHeads()) * config.headWidth();
        long widest = (long) config.width() * Math.max(inner, projections);
        long bytes = tokens * widest * last_BD.dtype().bytes();
        return bytes > SMALL_PRODUCT ? work.get() : Libtorch.onOneThread(work);
    }

    private Tensor extendSequences(int first, int[]... tokens) {
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
        KeyValueCache.Places places =
                cache.places(model.parameters().precision().compute(), first, counts);
        Rotation rotation = model.rotation(rows);
        IntFunction<Section> attention = layer -> new CachedAttentionSection(
                "layers." + layer + ".attention", model.attention(layer), rotation, cache, layer, places);
        Tensor hidden_TD = model.decodeStates(
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
                    "tokens for " + tokens.length + " sequences were given, but the decoder has " + sequences());
        }
    }

    private void check(int first, int[]... tokens) {
        if (first < 0 || first > sequences() - tokens.length) {
            throw new ModelException("tokens for " + tokens.length + " sequences from sequence " + first
                    + " on were given, but the decoder has " + sequences());
        }
        if (count(tokens) == 0) {
            throw new ModelException("no tokens were given to the decoder; give at least one sequence some");
        }
        for (int i = 0; i < tokens.length; i++) {
            int sequence = first + i;
            int length = length(sequence) + tokens[i].length;
            if (length > capacity()) {
                throw new ModelException("sequence " + sequence + " would have " + length
                        + " tokens, but the decoder's capacity is " + capacity() + " and the model's context "
                        + model.config().context());
            }
            for (int token : tokens[i]) {
                if (token < 0 || token >= model.config().vocabulary()) {
                    throw new ModelException(
                            "sequence " + sequence + " has the token " + token + ", but the model's vocabulary has "
                                    + model.config().vocabulary());
                }
                if (token == model.config().padding()) {
                    throw new ModelException("sequence " + sequence + " has the padding token " + token
                            + "; leave it out, because a decoder's sequences may differ in length");
                }
            }
        }
    }

    private void requireBeginning(int sequence) {
        if (length(sequence) == 0) {
            throw new ModelException(
                    "sequence " + sequence + " is empty, so nothing predicts its first token; append a token first");
        }
    }

    @Override
    public void close() {
        scope.close();
    }
}
