package dev.moe4j.model;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;

/** Where attention may look. */
final class AttentionMask {

    private AttentionMask() {}

    /**
     * What attention adds to its scores: 0 where a token may look, −∞ ahead of it, at padding and at earlier documents
     * that its own is kept from. The causal mask {@code [length, length]} where that is all in every sequence, else {@code
     * [sequences, 1, length, length]}. Padding before a sequence's first token, which would otherwise see nothing at
     * all, sees itself.
     *
     * @param padding the padding token's id, −1 where there is none
     */
    static Tensor of(TokenBatch batch, int padding, DType type, Device device) {
        Tensor causal = Functions.causalMask(batch.length(), type, device);
        Packing packing = batch.packing();
        if (packing == null) {
            boolean[] hidden = batch.padding(padding);
            return hidden == null ? causal : withPadding(batch, causal, hidden);
        }
        if (!packing.mask()) {
            return causal; // what fills a sequence up is behind all that could look at it
        }
        Tensor keys_B11S = Tensor.of(packing.documents())
                .view(batch.sequences(), 1, 1, batch.length())
                .to(device);
        // Numbers do not fall, so the documents with a smaller one are those before.
        Tensor earlier_B1SS = keys_B11S.lessThan(keys_B11S.transpose(2, 3));
        return expand(batch, causal).maskedFill(earlier_B1SS, Double.NEGATIVE_INFINITY);
    }

    private static Tensor expand(TokenBatch batch, Tensor causal) {
        return causal.expand(batch.sequences(), 1, batch.length(), batch.length());
    }

    private static Tensor withPadding(TokenBatch batch, Tensor causal, boolean[] padding) {
        int length = batch.length();
        Tensor hidden = Routes.mask(padding, DType.BOOL, causal.device()).view(batch.sequences(), 1, 1, length);
        Tensor mask = expand(batch, causal).maskedFill(hidden, Double.NEGATIVE_INFINITY);
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            int leading = 0;
            while (leading < length && padding[sequence * length + leading]) {
                leading++;
            }
            if (leading > 0) {
                corner(mask.select(0, sequence).select(0, 0), leading).copy(corner(causal, leading));
            }
        }
        return mask;
    }

    private static Tensor corner(Tensor square, int size) {
        return square.narrow(0, 0, size).narrow(1, 0, size);
    }
}
