package dev.moe4j.model.block;

import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;

/** The attention mask: added to attention scores, 0 for visible keys and −∞ for hidden ones. */
public sealed interface AttentionMask {

    /**
     * The causal mask: each token sees itself and all tokens before it. The full mask is never built, because blocked
     * attention needs only a corner of it.
     *
     * @param corner_XX the mask of the first tokens, at most as many as a block of {@link AttentionBlocks} has; it is
     *     also the mask between any block's queries and keys
     */
    record Causal(Tensor corner_XX) implements AttentionMask {}

    /**
     * A separate mask for each sequence. It also hides padding, or documents before a token's document. Padding before
     * a sequence's first token sees itself, because a row of the softmax must see at least one key.
     *
     * @param added_B1SS {@code [sequences, 1, length, length]}
     */
    record PerSequence(Tensor added_B1SS) implements AttentionMask {}

    /**
     * The mask of a batch.
     *
     * @param padding the padding token's id, −1 for none
     * @param tape owns the mask's tensor
     */
    static AttentionMask of(TokenBatch batch, int padding, DType type, Device device, Tape tape) {
        Packing packing = batch.packing();
        // Packed sequences are padded at their end, where the causal mask already hides the padding from all tokens.
        boolean[] hidden = packing == null ? batch.padding(padding) : null;
        try (Scope _ = Scope.open()) {
            if (hidden != null) {
                return new PerSequence(keep(tape, withPadding(batch, hidden, type, device)));
            }
            if (packing != null && packing.mask()) {
                return new PerSequence(keep(tape, betweenDocuments(batch, packing, type, device)));
            }
            long corner = Math.min(AttentionBlocks.QUERIES, batch.length());
            return new Causal(keep(tape, Functions.causalMask(corner, type, device)));
        }
    }

    private static Tensor keep(Tape tape, Tensor tensor) {
        return tape.constant(tensor).tensor();
    }

    private static Tensor betweenDocuments(TokenBatch batch, Packing packing, DType type, Device device) {
        Tensor keys_B11S = Tensor.of(packing.documents())
                .view(batch.sequences(), 1, 1, batch.length())
                .to(device);
        // Document numbers never decrease, so a smaller number is an earlier document.
        Tensor earlier_B1SS = keys_B11S.lessThan(keys_B11S.transpose(2, 3));
        return causal(batch, type, device).maskedFill(earlier_B1SS, Double.NEGATIVE_INFINITY);
    }

    /** The causal mask, expanded to all sequences. */
    private static Tensor causal(TokenBatch batch, DType type, Device device) {
        int length = batch.length();
        return Functions.causalMask(length, type, device).expand(batch.sequences(), 1, length, length);
    }

    private static Tensor withPadding(TokenBatch batch, boolean[] padding, DType type, Device device) {
        int length = batch.length();
        Tensor causal_B1SS = causal(batch, type, device);
        Tensor hidden = Functions.mask(padding, DType.BOOL, device).view(batch.sequences(), 1, 1, length);
        Tensor mask = causal_B1SS.maskedFill(hidden, Double.NEGATIVE_INFINITY);
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            int leading = 0;
            while (leading < length && padding[sequence * length + leading]) {
                leading++;
            }
            if (leading > 0) {
                corner(mask, sequence, leading).copy(corner(causal_B1SS, sequence, leading));
            }
        }
        return mask;
    }

    private static Tensor corner(Tensor mask_B1SS, int sequence, int size) {
        return mask_B1SS.select(0, sequence).narrow(1, 0, size).narrow(2, 0, size);
    }
}
