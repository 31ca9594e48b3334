package dev.moe4j.model.batch;

import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A batch of token sequences with their targets.
 *
 * @param tokens {@code [sequences · length]}, sequence by sequence; {@link #PADDING} after the end of a shorter sequence
 * @param targets the token to predict at each position; {@link #NONE} for positions without a loss
 * @param sequences the number of sequences
 * @param packing the documents of packed sequences; null if each sequence is one document
 */
public record TokenBatch(
        long[] tokens,
        long[] targets,
        int sequences,
        @Nullable Packing packing) {

    /** The target of a position without a loss. */
    public static final long NONE = -1;

    /**
     * Padding after the end of a shorter sequence. Causal attention hides it from all tokens, no expert receives it,
     * and its target is {@link #NONE}.
     */
    public static final long PADDING = -1;

    public TokenBatch {
        if (sequences < 1 || tokens.length % sequences != 0 || targets.length != tokens.length) {
            throw new ModelException("a batch of " + tokens.length + " tokens and " + targets.length
                    + " targets cannot be divided into " + sequences + " sequences of equal length");
        }
        checkNumbers("token", tokens, PADDING, "padding after a sequence's end");
        checkNumbers("target", targets, NONE, "no target");
        if (packing != null) {
            packing.check(tokens.length, tokens.length / sequences);
        }
    }

    /** Sequences of one document each. */
    public TokenBatch(long[] tokens, long[] targets, int sequences) {
        this(tokens, targets, sequences, null);
    }

    private static void checkNumbers(String kind, long[] numbers, long none, String meaning) {
        for (int i = 0; i < numbers.length; i++) {
            if (numbers[i] < 0 && numbers[i] != none) {
                throw new ModelException("%s %d at position %d of a batch: use 0 or more, or %d for %s"
                        .formatted(kind, numbers[i], i, none, meaning));
            }
        }
    }

    /**
     * Checks that all tokens and targets are below the vocabulary size.
     *
     * @throws ModelException if one is not
     */
    public void checkVocabulary(int size) {
        checkBelow("token", tokens, size);
        checkBelow("target", targets, size);
    }

    private static void checkBelow(String kind, long[] numbers, int size) {
        for (int i = 0; i < numbers.length; i++) {
            if (numbers[i] >= size) {
                throw new ModelException("%s %d at position %d of a batch is not in the model's vocabulary of %d"
                        .formatted(kind, numbers[i], i, size));
            }
        }
    }

    /** Tokens in each sequence. */
    public int length() {
        return tokens.length / sequences;
    }

    /** The number of positions with a target. */
    public long predicted() {
        long count = 0;
        for (long target : targets) {
            count += target == NONE ? 0 : 1;
        }
        return count;
    }

    /**
     * A mask of padding, {@code [sequences · length]}; null if there is none. In packed sequences, padding is the
     * positions without a document.
     *
     * @param id the padding token's id in sequences of one document, −1 for none
     */
    public boolean @Nullable [] padding(int id) {
        boolean[] flags = new boolean[tokens.length];
        boolean any = false;
        for (int i = 0; i < flags.length; i++) {
            flags[i] = packing == null ? id >= 0 && tokens[i] == id : packing.isPadding(i);
            any |= flags[i];
        }
        return any ? flags : null;
    }

    /**
     * A mask of tokens that no expert receives, {@code [sequences · length]}; null if there are none. These are {@link
     * #PADDING} and, if {@code maskPadding}, {@linkplain #padding padding}.
     *
     * @param maskPadding whether padding is masked
     * @param id the padding token's id, as for {@link #padding}
     */
    public boolean @Nullable [] unrouted(boolean maskPadding, int id) {
        boolean @Nullable [] padding = maskPadding ? padding(id) : null;
        boolean[] flags = padding == null ? new boolean[tokens.length] : padding;
        boolean any = padding != null;
        for (int i = 0; i < flags.length; i++) {
            flags[i] |= tokens[i] == PADDING;
            any |= flags[i];
        }
        return any ? flags : null;
    }

    /** A mask of real tokens, {@code [sequences · length]}; null if no position is {@link #PADDING}. */
    public boolean @Nullable [] present() {
        boolean[] flags = new boolean[tokens.length];
        boolean all = true;
        for (int i = 0; i < flags.length; i++) {
            flags[i] = tokens[i] != PADDING;
            all &= flags[i];
        }
        return all ? null : flags;
    }

    /** The tokens, {@code [sequences, length]} int64; 0 for {@link #PADDING}. */
    public Tensor tokenTensor(Device device) {
        return Tensor.of(tokens).clampMin(0).view(sequences, length()).to(device);
    }

    /** The targets, {@code [sequences · length]} int64. */
    public Tensor targetTensor(Device device) {
        return Tensor.of(targets).to(device);
    }
}
