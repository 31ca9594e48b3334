package dev.moe4j.model.block;

import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;

/** Where attention may look: what it adds to its scores, 0 where a token may look and −∞ where it may not. */
public sealed interface AttentionMask {

    /**
     * Every token sees itself and all before it. The mask of all tokens is never there, since attention needs little of it.
     *
     * @param corner_XX that of the first tokens, as many as a block of {@link AttentionBlocks} has at most; a block's own
     *     queries and keys have the same
     */
    record Causal(Tensor corner_XX) implements AttentionMask {}

    /**
     * Padding, or documents before a token's own, are hidden as well. Padding before a sequence's first token, which would
     * otherwise see nothing at all, sees itself.
     *
     * @param added_B1SS {@code [sequences, 1, length, length]}
     */
    record Own(Tensor added_B1SS) implements AttentionMask {}

    /**
     * The mask of a batch, whose tensor the tape owns.
     *
     * @param padding the padding token's id, −1 where there is none
     */
    static AttentionMask of(TokenBatch batch, int padding, DType type, Device device, Tape tape) {
        Packing packing = batch.packing();
        // Without a mask of its own what fills a packed sequence up is behind all that could look at it.
        boolean[] hidden = packing == null ? batch.padding(padding) : null;
        try (Scope _ = Scope.open()) {
            if (hidden != null) {
                return new Own(keep(tape, withPadding(batch, hidden, type, device)));
            }
            if (packing != null && packing.mask()) {
                return new Own(keep(tape, betweenDocuments(batch, packing, type, device)));
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
        // Numbers do not fall, so the documents with a smaller one are those before.
        Tensor earlier_B1SS = keys_B11S.lessThan(keys_B11S.transpose(2, 3));
        return causal(batch, type, device).maskedFill(earlier_B1SS, Double.NEGATIVE_INFINITY);
    }

    /** The causal mask, seen as each sequence's. */
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
