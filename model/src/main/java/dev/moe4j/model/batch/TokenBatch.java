package dev.moe4j.model.batch;

import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Sequences for a model.
 *
 * @param tokens {@code [sequences · length]}, sequence by sequence; {@link #FILL} behind the end of a shorter one
 * @param targets the token that follows each, {@link #NONE} where nothing is to be predicted
 * @param sequences how many there are
 * @param packing the documents in them; null where each sequence is one text
 */
public record TokenBatch(
        long[] tokens,
        long[] targets,
        int sequences,
        @Nullable Packing packing) {

    /** The target of a position that has no loss. */
    public static final long NONE = -1;

    /**
     * No token: what fills a sequence up behind its end. Causal attention does not look there, and no expert gets it. It
     * has no target.
     */
    public static final long FILL = -1;

    public TokenBatch {
        if (sequences < 1 || tokens.length % sequences != 0 || targets.length != tokens.length) {
            throw new ModelException("a batch of " + tokens.length + " tokens and " + targets.length
                    + " targets cannot be " + sequences + " sequences of one length");
        }
        checkNumbers("token", tokens, FILL, "padding after a sequence's end");
        checkNumbers("target", targets, NONE, "no target");
        if (packing != null) {
            packing.check(tokens.length, tokens.length / sequences);
        }
    }

    /** Sequences of one text each. */
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
     * Refuses tokens and targets that a vocabulary of that size lacks.
     *
     * @throws ModelException if there is one
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

    /** Positions that have a target. */
    public long predicted() {
        long count = 0;
        for (long target : targets) {
            count += target == NONE ? 0 : 1;
        }
        return count;
    }

    /**
     * Whether each token is padding; null where none is. In sequences of documents it is what fills them up.
     *
     * @param id the padding token's id in sequences of one text, −1 where there is none
     */
    public boolean @Nullable [] padding(int id) {
        boolean[] flags = new boolean[tokens.length];
        boolean any = false;
        for (int i = 0; i < flags.length; i++) {
            flags[i] = packing == null ? id >= 0 && tokens[i] == id : packing.isFill(i);
            any |= flags[i];
        }
        return any ? flags : null;
    }

    /**
     * Whether no expert may get a token: it is {@link #FILL} or, where that is masked, {@linkplain #padding padding}; null
     * where all may.
     *
     * @param maskPadding whether padding is masked
     * @param id as {@link #padding} has it
     */
    public boolean @Nullable [] unrouted(boolean maskPadding, int id) {
        boolean @Nullable [] padding = maskPadding ? padding(id) : null;
        boolean[] flags = padding == null ? new boolean[tokens.length] : padding;
        boolean any = padding != null;
        for (int i = 0; i < flags.length; i++) {
            flags[i] |= tokens[i] == FILL;
            any |= flags[i];
        }
        return any ? flags : null;
    }

    /** Whether there is a token at each position; null where there is one at all. */
    public boolean @Nullable [] present() {
        boolean[] flags = new boolean[tokens.length];
        boolean all = true;
        for (int i = 0; i < flags.length; i++) {
            flags[i] = tokens[i] != FILL;
            all &= flags[i];
        }
        return all ? null : flags;
    }

    /** {@code [sequences, length]} int64, some token where there is none. */
    public Tensor tokenTensor(Device device) {
        return Tensor.of(tokens).clampMin(0).view(sequences, length()).to(device);
    }

    /** {@code [sequences · length]} int64. */
    public Tensor targetTensor(Device device) {
        return Tensor.of(targets).to(device);
    }
}
