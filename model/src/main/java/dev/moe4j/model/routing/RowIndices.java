package dev.moe4j.model.routing;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;

/**
 * Assigned rows as tensors, by which dispatch and combination find rows. R rows, T tokens, K choices of each.
 *
 * @param tokens T
 * @param topK K
 * @param tokenOf_R the token in each row, int64; 0 where the row is empty
 * @param rowOf_C the row of each choice [tokens · k], int64; 0 where it was dropped
 * @param choiceOf_R the choice in each row, int64; 0 where the row is empty
 * @param filled_R1 1 where the row holds a token, else 0
 * @param kept_TK1 1 where the choice has a row, else 0
 */
public record RowIndices(
        int tokens, int topK, Tensor tokenOf_R, Tensor rowOf_C, Tensor choiceOf_R, Tensor filled_R1, Tensor kept_TK1) {

    /** The tensors belong to the tape. Factors are of the given type. */
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

    /** As {@link #of(AssignedRows, DType, Device, Tape)}. */
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

    /** The choices of this process's own sequences. */
    public RowChoices choices() {
        return new RowChoices(choiceOf_R, (long) tokens * topK);
    }

    /** The rows of each choice, {@code [tokens, k, model]}. */
    public Tensor gatherChoices(Tensor rows_RD) {
        return rows_RD.indexSelect(0, rowOf_C).view(tokens, topK, rows_RD.size(1));
    }

    /** The sum over each token's choices {@code [tokens, k, model]}, {@code [tokens, model]}. */
    public Tensor sumOfChoices(Tensor choices_TKD) {
        // Of two, a sum of two tensors: libtorch's sum over a dimension that is so short takes twice as long.
        return topK == 2 ? choices_TKD.select(1, 0).add(choices_TKD.select(1, 1)) : choices_TKD.sum(1);
    }
}
