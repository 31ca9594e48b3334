package dev.moe4j.model.decode;

import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;

/**
 * The KV cache: every layer's keys and values of growing sequences, in memory that is allocated once. B sequences, H
 * key and value heads, G = B · H, C head width, S the capacity of a sequence.
 */
final class KeyValueCache {

    /**
     * Attention reads a multiple of this number of keys; the keys after the longest sequence are masked. oneDNN
     * compiles a product for every shape, and this limits the number of shapes.
     */
    private static final int SPAN = 32;

    private final int heads;
    private final int capacity;
    private final int[] lengths;
    private final Tensor[] keys_GSC;
    private final Tensor[] values_GSC;

    /**
     * Allocates an empty cache.
     *
     * @param scope owns its memory
     */
    KeyValueCache(ModelConfig config, DType type, Device device, int sequences, int capacity, Scope scope) {
        this.heads = config.kvHeads();
        this.capacity = capacity;
        this.lengths = new int[sequences];
        this.keys_GSC = new Tensor[config.layers()];
        this.values_GSC = new Tensor[config.layers()];
        try (Scope _ = Scope.open()) {
            for (int layer = 0; layer < config.layers(); layer++) {
                long rows = (long) sequences * heads;
                // Masked values are multiplied by 0, so they must be finite.
                keys_GSC[layer] = scope.keep(Tensor.zeros(type, device, rows, capacity, config.headWidth()));
                values_GSC[layer] = scope.keep(Tensor.zeros(type, device, rows, capacity, config.headWidth()));
            }
        }
    }

    /** Fills this empty cache: sequence i becomes a copy of the other cache's sequence {@code of[i]}. */
    void copyFrom(KeyValueCache other, int... of) {
        long[] rows = new long[of.length * heads];
        for (int i = 0; i < of.length; i++) {
            lengths[i] = other.lengths[of[i]];
            for (int head = 0; head < heads; head++) {
                rows[i * heads + head] = (long) of[i] * heads + head;
            }
        }
        int longest = longest(0, lengths.length);
        for (int layer = 0; layer < keys_GSC.length; layer++) {
            try (Scope _ = Scope.open()) {
                Tensor index = Tensor.of(rows).to(keys_GSC[layer].device());
                keys_GSC[layer]
                        .narrow(1, 0, longest)
                        .copy(other.keys_GSC[layer].narrow(1, 0, longest).indexSelect(0, index));
                values_GSC[layer]
                        .narrow(1, 0, longest)
                        .copy(other.values_GSC[layer].narrow(1, 0, longest).indexSelect(0, index));
            }
        }
    }

    int sequences() {
        return lengths.length;
    }

    /** The maximum length of each sequence in tokens. */
    int capacity() {
        return capacity;
    }

    int length(int sequence) {
        return lengths[sequence];
    }

    /** The length of the longest of some consecutive sequences. */
    private int longest(int first, int sequences) {
        return Arrays.stream(lengths, first, first + sequences).max().orElse(0);
    }

    /** {@code [sequences · heads, capacity, head width]}. */
    Tensor keys(int layer) {
        return keys_GSC[layer];
    }

    /** {@code [sequences · heads, capacity, head width]}. */
    Tensor values(int layer) {
        return values_GSC[layer];
    }

    /** Extends sequences, from number {@code first}, by tokens whose keys and values every layer has written. */
    void grow(int first, int... counts) {
        for (int i = 0; i < counts.length; i++) {
            lengths[first + i] += counts[i];
        }
    }

    /** Empties a sequence. */
    void clear(int sequence) {
        lengths[sequence] = 0;
        // Masked places are read too. A NaN in one would spoil every later sequence in this place.
        for (int layer = 0; layer < keys_GSC.length; layer++) {
            try (Scope _ = Scope.open()) {
                keys_GSC[layer].narrow(0, (long) sequence * heads, heads).zero();
                values_GSC[layer].narrow(0, (long) sequence * heads, heads).zero();
            }
        }
    }

    /** The number of keys that attention reads for a longest sequence of this length. */
    int span(int length) {
        return Math.min(capacity, Math.ceilDiv(length, SPAN) * SPAN);
    }

    /**
     * The places of appended tokens, {@code counts[i]} for sequence {@code first + i}. The innermost scope owns its
     * tensors.
     */
    Places places(DType type, int first, int... counts) {
        return Places.of(this, type, first, counts);
    }

    /**
     * The places of the tokens of one append. B consecutive sequences with T tokens in total. N queries is the most
     * tokens of one sequence, so tokens form a grid of B · N queries with gaps. G = B · H.
     *
     * @param first the cache's index of the first of these sequences
     * @param queries N
     * @param slot_I each token and head's row in the cache's {@code [G · S]}, {@code [T · H]}, token by token
     * @param grid whether every sequence has N tokens, which fill the grid completely
     * @param tokenOf_P the token at each place of the grid, {@code [B · N]}; 0 in gaps
     * @param placeOf_T each token's place in the grid
     * @param mask_B1NE 0 for visible keys, −∞ for hidden ones
     * @param start the length of the longest sequence before the append
     */
    record Places(
            int first,
            int sequences,
            int queries,
            Tensor slot_I,
            boolean grid,
            Tensor tokenOf_P,
            Tensor placeOf_T,
            Tensor mask_B1NE,
            int start) {

        private static Places of(KeyValueCache cache, DType type, int first, int... counts) {
            int queries = Arrays.stream(counts).max().orElse(0);
            int tokens = Arrays.stream(counts).sum();
            int heads = cache.heads;
            int sequences = counts.length;
            long[] slot = new long[tokens * heads];
            long[] tokenOf = new long[sequences * queries];
            long[] placeOf = new long[tokens];
            long[] seen = new long[sequences * queries];
            int token = 0;
            for (int sequence = 0; sequence < sequences; sequence++) {
                int length = cache.lengths[first + sequence];
                for (int i = 0; i < queries; i++) {
                    seen[sequence * queries + i] = (long) length + i;
                }
                for (int i = 0; i < counts[sequence]; i++, token++) {
                    for (int head = 0; head < heads; head++) {
                        slot[token * heads + head] =
                                ((long) (first + sequence) * heads + head) * cache.capacity + length + i;
                    }
                    tokenOf[sequence * queries + i] = token;
                    placeOf[token] = (long) sequence * queries + i;
                }
            }
            Device device = cache.keys_GSC[0].device();
            int longest = cache.longest(first, sequences);
            int span = cache.span(longest + queries);
            Tensor last_BN1 = Tensor.of(seen).view(sequences, queries, 1).to(device);
            Tensor ahead_BNE = last_BN1.lessThan(Tensor.arange(span, device));
            Tensor mask_BNE = Tensor.zeros(type, device, sequences, queries, span)
                    .maskedFill(ahead_BNE, Double.NEGATIVE_INFINITY);
            return new Places(
                    first,
                    sequences,
                    queries,
                    Tensor.of(slot).to(device),
                    tokens == sequences * queries,
                    Tensor.of(tokenOf).to(device),
                    Tensor.of(placeOf).to(device),
                    mask_BNE.unsqueeze(1),
                    longest);
        }
    }
}
