package dev.moe4j.model.expertparallel;

import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.routing.RowChoices;
import dev.moe4j.parallel.PendingCollective;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.parallel.layout.AllToAllSplits;
import dev.moe4j.parallel.layout.ReceivedRowLayout;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import java.util.ArrayList;
import java.util.List;

/**
 * The all-to-all exchange of one expert parallel layer, among the ranks that together hold all experts. Every rank's
 * token rows travel to their experts and the results travel back. S rows are sent, sorted by expert. A rows arrive,
 * sorted by sender. R rows are computed, sorted by this rank's experts; each expert's rows are rounded up to a
 * multiple.
 *
 * <p>Dropless routing sends uneven numbers of rows, so the ranks exchange counts first. Under a capacity, every rank
 * sends all places of every expert, filled or not, so no counts are needed.
 */
public final class ExpertExchange {

    private final ProcessGroup group;
    private final String layer;
    private final AllToAllSplits splits;
    private final ReceivedRowLayout received;
    private final Tensor arrivedOf_R;
    private final Tensor rowOf_A;
    private final Tensor filled_R1;

    /**
     * One half of an exchange.
     *
     * @param sentOf_H the rows that the half sends, as indices into all rows sent
     */
    public record Half(ExpertExchange exchange, Tensor sentOf_H) {}

    private ExpertExchange(ProcessGroup group, String layer, AllToAllSplits splits, Tensor like, Tape tape) {
        this.group = group;
        this.layer = layer;
        this.splits = splits;
        this.received = ReceivedRowLayout.of(splits.received(), AssignedRows.MULTIPLE);
        Device device = like.device();
        try (Scope _ = Scope.open()) {
            arrivedOf_R =
                    tape.constant(Tensor.of(received.arrivedOf()).to(device)).tensor();
            rowOf_A = tape.constant(Tensor.of(received.rowOf()).to(device)).tensor();
            filled_R1 = tape.constant(Functions.mask(received.filled(), like.dtype(), device)
                            .unsqueeze(1))
                    .tensor();
        }
    }

    /**
     * Sets up an exchange. If it is uneven, waits for the other ranks' counts.
     *
     * @param rows rows sorted by expert, either without gaps or with the same number for each expert
     * @param even whether all ranks send the same number of rows to each expert
     * @param like {@code [tokens, model]}, with the rows' width and type
     * @param tape owns the index tensors
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
        AllToAllSplits splits = even
                ? group.even(sent, like.size(1), like.dtype())
                : group.agree(sent, like.size(1), like.dtype(), name + " counts");
        return new ExpertExchange(group, name, splits, like, tape);
    }

    /**
     * Splits the exchange in two: the first half of each expert's rows, and the second half.
     *
     * @param like as in {@link #of}
     * @param tape owns the index tensors
     */
    public List<Half> halves(Tensor like, Tape tape) {
        List<AllToAllSplits> parts = splits.halves();
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
        return new ExpertRows.Received(received.ends());
    }

    /**
     * An all-to-all in flight. The rows sent must stay valid until it is awaited. Exchanges must be awaited in the
     * order in which they were started.
     */
    @FunctionalInterface
    interface InFlight {
        Tensor await();
    }

    /**
     * Starts to send rows for all experts {@code [S, model]}; the result is the rows of this rank's experts {@code [R,
     * model]}.
     */
    InFlight dispatch(Tensor sent_SD) {
        InFlight rows = toExperts(sent_SD, " dispatch");
        // Unfilled rows may hold any number, because their results are not sent back.
        return () -> rows.await().indexSelect(0, arrivedOf_R);
    }

    /** Starts to return the gradient of dispatched rows. */
    InFlight dispatchBackward(Tensor gradient_RD) {
        return toSenders(gradient_RD, " dispatch backward");
    }

    /**
     * Starts to return the results of this rank's experts {@code [R, model]} to the rows that were sent {@code [S,
     * model]}.
     */
    InFlight combine(Tensor results_RD) {
        return toSenders(results_RD, " combine");
    }

    /** Starts to send the gradient of the results, which is zero for unfilled rows. */
    InFlight combineBackward(Tensor gradient_SD) {
        InFlight rows = toExperts(gradient_SD, " combine backward");
        return () -> rows.await().indexSelect(0, arrivedOf_R).mulInPlace(filled_R1);
    }

    /**
     * The choice that each row computes, numbered over the group's ranks.
     *
     * @param own this rank's choices, in the rows that it sends
     */
    public RowChoices choices(RowChoices own, Tape tape) {
        try (Scope _ = Scope.open()) {
            Tensor first = Tensor.of((long) group.members().index() * own.count())
                    .to(own.of_R().device());
            Tensor global_S1 = own.of_R().add(first).unsqueeze(1);
            Tensor arrived_A1 = Tensor.empty(DType.INT64, global_S1.device(), splits.totalReceived(), 1);
            AllToAllSplits numbers = new AllToAllSplits(splits.sent(), splits.received(), DType.INT64.bytes());
            group.allToAll(arrived_A1, global_S1, numbers, layer + " choices").await();
            Tensor of_R = tape.constant(arrived_A1.view(-1).indexSelect(0, arrivedOf_R))
                    .tensor();
            return new RowChoices(of_R, group.members().size() * own.count());
        }
    }

    /** The global numbers of all ranks' sequences, in rank order. */
    public long[] sequences(long... own) {
        try (Scope _ = Scope.open()) {
            Tensor all = Tensor.of(new long[group.members().size() * own.length]);
            group.allGather(all, Tensor.of(own), layer + " sequences").await();
            return all.toLongs();
        }
    }

    private InFlight toExperts(Tensor rows_SD, String label) {
        return start(rows_SD.contiguous(), splits, label);
    }

    private InFlight toSenders(Tensor rows_RD, String label) {
        return start(rows_RD.indexSelect(0, rowOf_A), splits.reversed(), label);
    }

    private InFlight start(Tensor from, AllToAllSplits along, String label) {
        Tensor into = Tensor.empty(from.dtype(), from.device(), along.totalReceived(), from.size(1));
        PendingCollective pending = group.allToAll(into, from, along, layer + label);
        return () -> {
            pending.await();
            return into;
        };
    }
}
