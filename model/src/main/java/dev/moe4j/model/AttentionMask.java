package dev.moe4j.model;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** Where attention may look, if that is not at all that is behind a token. */
final class AttentionMask {

    private AttentionMask() {}

    /**
     * What attention adds to its scores, {@code [sequences, 1, length, length]}, in the innermost scope: 0 where a token
     * may look, −∞ ahead of it, at padding and at earlier documents that its own is kept from. Null where the causal mask
     * is all in every sequence, which attention makes as much of as it needs. Padding before a sequence's first token,
     * which would otherwise see nothing at all, sees itself.
     *
     * @param padding the padding token's id, −1 where there is none
     */
    static @Nullable Tensor of(TokenBatch batch, int padding, DType type, Device device) {
        try (Scope scope = Scope.open()) {
            Packing packing = batch.packing();
            if (packing == null) {
                boolean[] hidden = batch.padding(padding);
                return hidden == null ? null : scope.escape(withPadding(batch, hidden, type, device));
            }
            // Without a mask of its own what fills a sequence up is behind all that could look at it.
            return packing.mask() ? scope.escape(betweenDocuments(batch, packing, type, device)) : null;
        }
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
        Tensor hidden = Routes.mask(padding, DType.BOOL, device).view(batch.sequences(), 1, 1, length);
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
