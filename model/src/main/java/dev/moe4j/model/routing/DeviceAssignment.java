package dev.moe4j.model.routing;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.cuda.Kernels;
import org.jspecify.annotations.Nullable;

/**
 * Dropless top-k as an {@link Assignment} that the device makes by itself, so that the host need not wait for the
 * router's logits. The host does not learn how many rows each expert has; there are {@code tokens · k + experts ·
 * {@link AssignedRows#MULTIPLE}} rows, which is enough for every load, and those past the last expert's end hold
 * nothing: what products give there is not written and must not be read. Each expert has one block of rows at least,
 * since grouped products of some devices leave the gradient of an expert without rows as it was.
 *
 * <p>T tokens, K choices of each, C = T · K, E experts, R rows; numbers are int64 unless said otherwise.
 *
 * @param experts_TK each choice's expert
 * @param kept_TK whether the choice has a row, bool
 * @param rowOf_C the row of each choice; 0 where it has none
 * @param choiceOf_R the choice in each row; 0 where the row is empty
 * @param tokenOf_R the token in each row; 0 where the row is empty
 * @param filled_R whether a choice fills the row, bool
 * @param expertOf_R the expert of each row, the last one's past the end
 * @param ends_E where each expert's rows end, int32
 * @param counts_E rows of each expert that a choice fills
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
     * Assigns tokens to the experts of their k highest logits; of equal ones the lower number, as {@link Routing} does.
     *
     * @param logits_TE without a graph
     * @param padding_T whether each token is padding, which gets no expert, bool; null where none is
     * @param tape owns the tensors
     * @param kernels make it of float32 logits; null for operators of libtorch
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
        // Choices without a place are sorted behind all experts.
        Tensor expertOf_C =
                experts_TK.view(choices).maskedFill(kept_TK.view(choices).not(), (double) experts);
        Tensor order_C = expertOf_C.argsortStable(0, false);
        Tensor sorted_C = expertOf_C.indexSelect(0, order_C);
        Tensor packedEnds_E = Functions.upperBound(sorted_C, Tensor.arange(experts, device));
        Tensor packedStarts_E =
                Tensor.concat(0, Tensor.zeros(DType.INT64, device, 1), packedEnds_E.narrow(0, 0, experts - 1));
        Tensor counts_E = packedEnds_E.sub(packedStarts_E);
        Tensor room_E = counts_E.add(AssignedRows.MULTIPLE - 1)
                .divideWhole(AssignedRows.MULTIPLE)
                .clampMin(1)
                .mul(AssignedRows.MULTIPLE);
        Tensor ends_E = room_E.cumulativeSum(0);
        Tensor shift_E = ends_E.sub(room_E).sub(packedStarts_E);
        Tensor none_C = sorted_C.lessThan((double) experts).not();
        // One row more takes what has no place, and is cut off.
        Tensor row_C = Tensor.arange(choices, device)
                .add(shift_E.indexSelect(0, sorted_C.clampMax(experts - 1.0)))
                .maskedFill(none_C, (double) rows);
        Tensor choiceOf_R = Tensor.zeros(DType.INT64, device, rows + 1)
                .indexCopyInPlace(0, row_C, order_C)
                .narrow(0, 0, rows);
        Tensor filled_R = Tensor.zeros(DType.BOOL, device, rows + 1)
                .indexCopyInPlace(0, row_C, Tensor.full(1, DType.BOOL, device, choices))
                .narrow(0, 0, rows);
        Tensor rowOf_C = row_C.emptyLike().indexCopyInPlace(0, order_C, row_C.maskedFill(none_C, 0));
        Tensor expertOf_R =
                Functions.upperBound(ends_E, Tensor.arange(rows, device)).clampMax(experts - 1.0);
        return new DeviceAssignment(
                kept(tape, experts_TK),
                kept(tape, kept_TK),
                kept(tape, rowOf_C),
                kept(tape, choiceOf_R),
                kept(tape, choiceOf_R.divideWhole(k)),
                kept(tape, filled_R),
                kept(tape, expertOf_R),
                kept(tape, ends_E.to(DType.INT32)),
                kept(tape, counts_E));
    }

    /** Rows that are enough for every load. */
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

    /** The k highest; the sort keeps the order of equal ones, also of several −∞. */
    private static Tensor highest(Tensor logits_TE, int k) {
        return k == 1
                ? logits_TE.argmax(1)
                : logits_TE.argsortStable(1, true).narrow(1, 0, k).contiguous();
    }
}
