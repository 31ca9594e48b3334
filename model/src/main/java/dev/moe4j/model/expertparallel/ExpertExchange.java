package dev.moe4j.model.expertparallel;

import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.routing.RowChoices;
import dev.moe4j.parallel.Pending;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.parallel.layout.ReceivedRowLayout;
import dev.moe4j.parallel.layout.Splits;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import java.util.ArrayList;
import java.util.List;

/**
 * One layer's exchange of rows among the ranks that together hold all experts: every rank's tokens travel to their
 * experts and back. S rows are sent, sorted by expert; A arrive, sorted by sender; R are computed, sorted by this rank's
 * experts, each expert's rounded up to a multiple.
 *
 * <p>Dropless rows are uneven, so ranks tell each other first how many will come. With a capacity every expert has its
 * places of every rank, filled or not, and nothing need be told.
 */
public final class ExpertExchange {

    private final ProcessGroup group;
    private final String layer;
    private final Splits splits;
    private final ReceivedRowLayout arrivals;
    private final Tensor arrivedOf_R;
    private final Tensor rowOf_A;
    private final Tensor filled_R1;

    /**
     * A part of an exchange.
     *
     * @param sentOf_H the rows that it sends, among those of the whole
     */
    public record Half(ExpertExchange exchange, Tensor sentOf_H) {}

    private ExpertExchange(ProcessGroup group, String layer, Splits splits, Tensor like, Tape tape) {
        this.group = group;
        this.layer = layer;
        this.splits = splits;
        this.arrivals = ReceivedRowLayout.of(splits.received(), AssignedRows.MULTIPLE);
        Device device = like.device();
        try (Scope _ = Scope.open()) {
            arrivedOf_R =
                    tape.constant(Tensor.of(arrivals.arrivedOf()).to(device)).tensor();
            rowOf_A = tape.constant(Tensor.of(arrivals.rowOf()).to(device)).tensor();
            filled_R1 = tape.constant(Functions.mask(arrivals.filled(), like.dtype(), device)
                            .unsqueeze(1))
                    .tensor();
        }
    }

    /**
     * Agrees on an exchange; waits for the other ranks where it is uneven.
     *
     * @param rows one expert's after the other's, without gaps or as many for each
     * @param even whether all ranks have as many rows for each expert
     * @param like {@code [tokens, model]}, of the rows' width and type; its tensors belong to the tape
     */
    public static ExpertExchange of(
            ProcessGroup group, int layer, AssignedRows rows, boolean even, Tensor like, Tape tape) {
        int members = group.members().size();
        int own = rows.experts() / members;
        long[][] sent = new long[members][own];
        for (int member = 0; member < members; member++) {
            for (int e = 0; e < own; e++) {
                sent[member][e] = rows.size(member * own + e);
            }
        }
        String name = "layer " + layer;
        Splits splits = even
                ? group.even(sent, like.size(1), like.dtype())
                : group.agree(sent, like.size(1), like.dtype(), name + " counts");
        return new ExpertExchange(group, name, splits, like, tape);
    }

    /**
     * Two exchanges that together are this one: of the first half of each expert's rows, and of the second.
     *
     * @param like as for the whole
     */
    public List<Half> halves(Tensor like, Tape tape) {
        List<Splits> parts = splits.halves();
        long[][] rows = {
            new long[Math.toIntExact(parts.get(0).totalSent())],
            new long[Math.toIntExact(parts.get(1).totalSent())]
        };
        int[] next = new int[2];
        long row = 0;
        for (int member = 0; member < splits.sent().length; member++) {
            for (int expert = 0; expert < splits.sent()[member].length; expert++) {
                for (int half = 0; half < 2; half++) {
                    for (long i = parts.get(half).sent()[member][expert]; i > 0; i--) {
                        rows[half][next[half]++] = row++;
                    }
                }
            }
        }
        List<Half> halves = new ArrayList<>();
        for (int half = 0; half < 2; half++) {
            try (Scope _ = Scope.open()) {
                halves.add(new Half(
                        new ExpertExchange(group, layer + ", half " + (half + 1), parts.get(half), like, tape),
                        tape.constant(Tensor.of(rows[half]).to(like.device())).tensor()));
            }
        }
        return halves;
    }

    /** The rows that this rank's experts compute. */
    public ExpertRows rows() {
        return new ExpertRows.Arrived(arrivals.ends());
    }

    /** Rows on their way; what is sent must stay until they are awaited, in the order in which they were sent. */
    @FunctionalInterface
    interface Travelling {
        Tensor await();
    }

    /** Rows for all experts {@code [S, model]} become those of this rank's experts {@code [R, model]}. */
    Travelling dispatch(Tensor sent_SD) {
        Travelling rows = there(sent_SD, " dispatch");
        // Rows that nothing fills hold any number: their results go nowhere.
        return () -> rows.await().indexSelect(0, arrivedOf_R);
    }

    /** The gradient of what was dispatched. */
    Travelling dispatchBackward(Tensor gradient_RD) {
        return back(gradient_RD, " dispatch backward");
    }

    /** Results of this rank's experts {@code [R, model]} go back to the rows that were sent {@code [S, model]}. */
    Travelling combine(Tensor results_RD) {
        return back(results_RD, " combine");
    }

    /** The gradient of the results, zero where no row was sent. */
    Travelling combineBackward(Tensor gradient_SD) {
        Travelling rows = there(gradient_SD, " combine backward");
        return () -> rows.await().indexSelect(0, arrivedOf_R).mulInPlace(filled_R1);
    }

    /**
     * Which of the whole group's choices each row computes.
     *
     * @param own this rank's, in the rows that it sends
     */
    public RowChoices choices(RowChoices own, Tape tape) {
        try (Scope _ = Scope.open()) {
            Tensor first = Tensor.of((long) group.members().index() * own.count())
                    .to(own.of_R().device());
            Tensor global_S1 = own.of_R().add(first).unsqueeze(1);
            Tensor arrived_A1 = Tensor.empty(DType.INT64, global_S1.device(), splits.totalReceived(), 1);
            Splits numbers = new Splits(splits.sent(), splits.received(), DType.INT64.bytes());
            group.allToAll(arrived_A1, global_S1, numbers, layer + " choices").await();
            Tensor of_R = tape.constant(arrived_A1.view(-1).indexSelect(0, arrivedOf_R))
                    .tensor();
            return new RowChoices(of_R, group.members().size() * own.count());
        }
    }

    /** The global numbers of the sequences of all ranks of the group, in their order. */
    public long[] sequences(long... own) {
        try (Scope _ = Scope.open()) {
            Tensor all = Tensor.of(new long[group.members().size() * own.length]);
            group.allGather(all, Tensor.of(own), layer + " sequences").await();
            return all.toLongs();
        }
    }

    private Travelling there(Tensor rows_SD, String direction) {
        return begin(rows_SD.contiguous(), splits, direction);
    }

    private Travelling back(Tensor rows_RD, String direction) {
        return begin(rows_RD.indexSelect(0, rowOf_A), splits.reversed(), direction);
    }

    private Travelling begin(Tensor from, Splits way, String direction) {
        Tensor into = Tensor.empty(from.dtype(), from.device(), way.totalReceived(), from.size(1));
        Pending pending = group.allToAll(into, from, way, layer + direction);
        return () -> {
            pending.await();
            return into;
        };
    }
}
