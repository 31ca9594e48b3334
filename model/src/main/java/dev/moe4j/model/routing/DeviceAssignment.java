package dev.moe4j.model.routing;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.cuda.Kernels;
import org.jspecify.annotations.Nullable;

/**
 * A dropless top-k assignment computed on the device, so the host does not wait for the router's logits. The
 * counterpart of {@link Assignment}, which the host computes.
 *
 * <p>The host does not know how many rows each expert has. The number of rows is fixed at {@code tokens · k + experts ·
 * {@link AssignedRows#MULTIPLE}}, enough for every load. Rows past the last expert's end hold nothing: products do not
 * write their results, so these must not be read. Each expert has at least one block of rows, because on some devices
 * grouped products do not write the gradient of an expert without rows.
 *
 * <p>T tokens, K choices of each, C = T · K, E experts, R rows; numbers are int64 unless stated otherwise.
 *
 * @param experts_TK each choice's expert
 * @param kept_TK whether the choice has a row, bool
 * @param rowOf_C each choice's row; 0 if it has none
 * @param choiceOf_R each row's choice; 0 if the row is empty
 * @param tokenOf_R each row's token; 0 if the row is empty
 * @param filled_R whether a choice fills the row, bool
 * @param expertOf_R each row's expert; the last expert for rows past the end
 * @param ends_E the end of each expert's rows, int32
 * @param counts_E the number of each expert's filled rows
 */
public record DeviceAssignment(
        Tensor experts_TK,
        Tensor kept_TK,
        Tensor rowOf_C,
        Tensor choiceOf_R,
        Tensor tokenOf_R,
        Tensor filled_R,
        Tensor expertOf_R,
        Tensor ends_E,
        Tensor counts_E) {

    /**
     * Assigns each token to the experts of its k highest logits. Ties go to the lower expert index, as in {@link
     * Routing}.
     *
     * @param logits_TE the router's logits, detached from the graph
     * @param padding_T mask of padding, which gets no expert, bool; null if there is none
     * @param tape owns the tensors
     * @param kernels used for float32 logits; null for libtorch's operators
     */
    public static DeviceAssignment of(
            Tensor logits_TE, int k, @Nullable Tensor padding_T, Tape tape, @Nullable Kernels kernels) {
        long tokens = logits_TE.size(0);
        long experts = logits_TE.size(1);
        long choices = tokens * k;
        long rows = rows(choices, experts);
        Device device = logits_TE.device();
        Tensor kept_TK = (padding_T == null ? Tensor.full(1, DType.BOOL, device, tokens) : padding_T.not())
                .unsqueeze(1)
                .expand(tokens, k)
                .contiguous();
        if (kernels != null && logits_TE.dtype() == DType.FLOAT32) {
            return byKernels(kernels, logits_TE.contiguous(), kept_TK, tape);
        }

        Tensor experts_TK = highest(logits_TE, k);
        // Choices without a place sort after all experts.
        Tensor expertOf_C =
                experts_TK.view(choices).maskedFill(kept_TK.view(choices).not(), (double) experts);
        Tensor order_C = expertOf_C.argsortStable(0, false);
        Tensor sorted_C = expertOf_C.indexSelect(0, order_C);
        Tensor packedEnds_E = Functions.upperBound(sorted_C, Tensor.arange(experts, device));
        Tensor packedStarts_E =
                Tensor.concat(0, Tensor.zeros(DType.INT64, device, 1), packedEnds_E.narrow(0, 0, experts - 1));
        Tensor counts_E = packedEnds_E.sub(packedStarts_E);
        Tensor rows_E = counts_E.add(AssignedRows.MULTIPLE - 1)
                .floorDivide(AssignedRows.MULTIPLE)
                .clampMin(1)
                .mul(AssignedRows.MULTIPLE);
        Tensor ends_E = rows_E.cumulativeSum(0);
        Tensor shift_E = ends_E.sub(rows_E).sub(packedStarts_E);
        Tensor unplaced_C = sorted_C.lessThan((double) experts).not();
        // An extra row takes choices without a place; it is then cut off.
        Tensor row_C = Tensor.arange(choices, device)
                .add(shift_E.indexSelect(0, sorted_C.clampMax(experts - 1.0)))
                .maskedFill(unplaced_C, (double) rows);
        Tensor choiceOf_R = Tensor.zeros(DType.INT64, device, rows + 1)
                .indexCopyInPlace(0, row_C, order_C)
                .narrow(0, 0, rows);
        Tensor filled_R = Tensor.zeros(DType.BOOL, device, rows + 1)
                .indexCopyInPlace(0, row_C, Tensor.full(1, DType.BOOL, device, choices))
                .narrow(0, 0, rows);
        Tensor rowOf_C = row_C.emptyLike().indexCopyInPlace(0, order_C, row_C.maskedFill(unplaced_C, 0));
        Tensor expertOf_R =
                Functions.upperBound(ends_E, Tensor.arange(rows, device)).clampMax(experts - 1.0);
        return new DeviceAssignment(
                kept(tape, experts_TK),
                kept(tape, kept_TK),
                kept(tape, rowOf_C),
                kept(tape, choiceOf_R),
                kept(tape, choiceOf_R.floorDivide(k)),
                kept(tape, filled_R),
                kept(tape, expertOf_R),
                kept(tape, ends_E.to(DType.INT32)),
                kept(tape, counts_E));
    }

    /** The number of rows, which is enough for every load. */
    public static long rows(long choices, long experts) {
        return choices + experts * AssignedRows.MULTIPLE;
    }

    private static DeviceAssignment byKernels(Kernels kernels, Tensor logits_TE, Tensor kept_TK, Tape tape) {
        Device device = logits_TE.device();
        int experts = (int) logits_TE.size(1);
        int k = (int) kept_TK.size(1);
        long choices = kept_TK.elements();
        long rows = rows(choices, experts);
        DeviceAssignment made = new DeviceAssignment(
                kept(tape, Tensor.empty(DType.INT64, device, kept_TK.shape())),
                kept(tape, kept_TK),
                kept(tape, Tensor.empty(DType.INT64, device, choices)),
                kept(tape, Tensor.empty(DType.INT64, device, rows)),
                kept(tape, Tensor.empty(DType.INT64, device, rows)),
                kept(tape, Tensor.empty(DType.BOOL, device, rows)),
                kept(tape, Tensor.empty(DType.INT64, device, rows)),
                kept(tape, Tensor.empty(DType.INT32, device, experts)),
                kept(tape, Tensor.empty(DType.INT64, device, experts)));
        kernels.routeHighest(logits_TE, made.experts_TK);
        kernels.routeRows(
                new Kernels.Assigned(
                        made.experts_TK,
                        made.kept_TK,
                        made.rowOf_C,
                        made.choiceOf_R,
                        made.tokenOf_R,
                        made.filled_R,
                        made.expertOf_R,
                        made.ends_E,
                        made.counts_E),
                k,
                AssignedRows.MULTIPLE);
        return made;
    }

    private static Tensor kept(Tape tape, Tensor tensor) {
        return tape.constant(tensor).tensor();
    }

    /** The k highest. The sort is stable, so ties keep their order, including several −∞. */
    private static Tensor highest(Tensor logits_TE, int k) {
        return k == 1
                ? logits_TE.argmax(1)
                : logits_TE.argsortStable(1, true).narrow(1, 0, k).contiguous();
    }
}
