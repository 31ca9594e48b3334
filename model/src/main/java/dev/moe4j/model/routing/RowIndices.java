package dev.moe4j.model.routing;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;

/**
 * Index tensors of assigned rows, with which dispatch and combine gather rows. R rows, T tokens, K choices of each, C =
 * T · K.
 *
 * @param tokens T
 * @param topK K
 * @param tokenOf_R each row's token, int64; 0 if the row is empty
 * @param rowOf_C each choice's row, int64; 0 if it was dropped
 * @param choiceOf_R each row's choice, int64; 0 if the row is empty
 * @param filled_R1 1 if the row holds a token, else 0
 * @param kept_TK1 1 if the choice has a row, else 0
 */
public record RowIndices(
        int tokens, int topK, Tensor tokenOf_R, Tensor rowOf_C, Tensor choiceOf_R, Tensor filled_R1, Tensor kept_TK1) {

    /**
     * The indices of rows that the host assigned.
     *
     * @param type the type of the factors {@code filled_R1} and {@code kept_TK1}
     * @param tape owns the tensors
     */
    public static RowIndices of(AssignedRows rows, DType type, Device device, Tape tape) {
        Assignment assignment = rows.assignment();
        long[] tokenOf = new long[rows.count()];
        for (int row = 0; row < tokenOf.length; row++) {
            tokenOf[row] = rows.choiceOf()[row] / assignment.topK();
        }
        try (Scope _ = Scope.open()) {
            return new RowIndices(
                    assignment.tokens(),
                    assignment.topK(),
                    tape.constant(Tensor.of(tokenOf).to(device)).tensor(),
                    tape.constant(Tensor.of(rows.rowOf()).to(device)).tensor(),
                    tape.constant(Tensor.of(rows.choiceOf()).to(device)).tensor(),
                    tape.constant(Functions.mask(rows.filled(), type, device).unsqueeze(1))
                            .tensor(),
                    tape.constant(Functions.mask(assignment.kept(), type, device)
                                    .view(-1, assignment.topK(), 1))
                            .tensor());
        }
    }

    /** The indices of rows that the device assigned, as {@link #of(AssignedRows, DType, Device, Tape)}. */
    public static RowIndices of(DeviceAssignment assignment, DType type, Tape tape) {
        try (Scope _ = Scope.open()) {
            return new RowIndices(
                    (int) assignment.kept_TK().size(0),
                    (int) assignment.kept_TK().size(1),
                    assignment.tokenOf_R(),
                    assignment.rowOf_C(),
                    assignment.choiceOf_R(),
                    tape.constant(assignment.filled_R().to(type).unsqueeze(1)).tensor(),
                    tape.constant(assignment.kept_TK().to(type).unsqueeze(2)).tensor());
        }
    }

    /** The choices of this process's sequences. */
    public RowChoices choices() {
        return new RowChoices(choiceOf_R, (long) tokens * topK);
    }

    /** Each choice's row, {@code [tokens, k, model]}. */
    public Tensor gatherChoices(Tensor rows_RD) {
        return rows_RD.indexSelect(0, rowOf_C).view(tokens, topK, rows_RD.size(1));
    }

    /**
     * Sums over each token's choices.
     *
     * @param choices_TKD {@code [tokens, k, model]}
     * @return {@code [tokens, model]}
     */
    public Tensor sumOfChoices(Tensor choices_TKD) {
        // An addition for k = 2: libtorch's sum over such a short dimension takes twice as long.
        return topK == 2 ? choices_TKD.select(1, 0).add(choices_TKD.select(1, 1)) : choices_TKD.sum(1);
    }
}
