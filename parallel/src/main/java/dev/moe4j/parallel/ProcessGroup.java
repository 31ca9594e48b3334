package dev.moe4j.parallel;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.parallel.c10d.Backends;
import dev.moe4j.parallel.health.Exchange;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.Splits;
import dev.moe4j.parallel.rendezvous.FailureDetector;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.NativeTensor;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Function;
import org.bytedeco.pytorch.AllreduceOptions;
import org.bytedeco.pytorch.Backend;
import org.bytedeco.pytorch.BroadcastOptions;
import org.bytedeco.pytorch.LongVector;
import org.bytedeco.pytorch.ReduceOp;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;
import org.jspecify.annotations.Nullable;

/**
 * The collectives of some ranks. All members call the same ones in the same order, with tensors of the same sizes but
 * where the sizes are agreed on first. Tensors are contiguous, and those of one call on one device: NCCL moves those on
 * GPUs, Gloo those on the CPU. Each call has a label for messages, such as
 * {@code layer 3 dispatch}, begins the exchange and returns; see {@link Pending}. A group of one member exchanges nothing
 * and needs no c10d.
 *
 * <p>{@link #onWire} gives the same group, which sends floating-point tensors in a narrower type.
 */
public final class ProcessGroup {

    /** Numbers before the rows of each kind, in what members tell each other of an uneven exchange. */
    private static final int HEADER = 2;

    private final Members members;
    private final @Nullable Backends backends;
    private final @Nullable FailureDetector watch;
    private final @Nullable DType wire;

    public ProcessGroup(
            Members members, @Nullable Backends backends, @Nullable FailureDetector watch, @Nullable DType wire) {
        this.members = members;
        this.backends = backends;
        this.watch = watch;
        this.wire = wire;
    }

    /** The group of one member, which exchanges nothing. */
    static ProcessGroup alone(Members members) {
        return new ProcessGroup(members, null, null, null);
    }

    public Members members() {
        return members;
    }

    /** This group, sending floating-point tensors as {@code type} and converting them back: half the traffic for bf16. */
    public ProcessGroup onWire(DType type) {
        return new ProcessGroup(members, backends, watch, type);
    }

    /**
     * Replaces {@code x} by its reduction over the members, equal on all. In a narrower type on the wire partial sums are
     * rounded to it as well.
     */
    public Pending allReduce(Reduction reduction, Tensor x, String label) {
        check(x);
        return begin(label, scope -> {
            Tensor sent = toWire(scope, x);
            try (TensorVector vector = new TensorVector(NativeTensor.of(sent));
                    ReduceOp op = new ReduceOp(reduction.type());
                    AllreduceOptions options = new AllreduceOptions().reduceOp(op)) {
                return begun(sent, backend(sent).allreduce(vector, options), () -> fromWire(x, sent));
            }
        });
    }

    /** Replaces {@code x} by that of the member at place {@code root}. */
    public Pending broadcast(Tensor x, int root, String label) {
        check(x);
        return begin(label, scope -> {
            Tensor sent = toWire(scope, x);
            try (TensorVector vector = new TensorVector(NativeTensor.of(sent));
                    BroadcastOptions options = new BroadcastOptions().rootRank(root)) {
                return begun(sent, backend(sent).broadcast(vector, options), () -> fromWire(x, sent));
            }
        });
    }

    /**
     * Writes all members' {@code part} one after the other into {@code whole}.
     *
     * @param whole members · the elements of {@code part}
     */
    public Pending allGather(Tensor whole, Tensor part, String label) {
        check(whole, part);
        checkParts(whole, part, label);
        if (backends == null) {
            whole.view(-1).copy(part.view(-1));
        }
        return begin(label, scope -> {
            Tensor sent = toWire(scope, part);
            Tensor received = wireLike(scope, whole);
            return begun(
                    sent,
                    backend(sent)._allgather_base(NativeTensor.of(received), NativeTensor.of(sent)),
                    () -> fromWire(whole, received));
        });
    }

    /**
     * Writes this member's share of the sum over the members' {@code whole} into {@code part}: an exchange of shares, then
     * a sum in the order of members and in the type of {@code part}, so that a narrower type on the wire rounds each
     * addend once. docs/log.md has the measurement against Gloo's own.
     *
     * @param whole members · the elements of {@code part}; it is only read
     */
    public Pending reduceScatter(Tensor part, Tensor whole, String label) {
        check(whole, part);
        checkParts(whole, part, label);
        if (backends == null) {
            part.view(-1).copy(whole.view(-1));
        }
        return begin(label, scope -> {
            Tensor sent = toWire(scope, whole);
            Tensor received = make(scope, sent.dtype(), whole.device(), whole.elements());
            try (LongVector even = new LongVector()) {
                return begun(
                        sent,
                        backend(sent).alltoall_base(NativeTensor.of(received), NativeTensor.of(sent), even, even),
                        () -> {
                            try (Scope _ = Scope.open()) {
                                part.view(-1)
                                        .copy(received.to(part.dtype())
                                                .view(members.size(), -1)
                                                .sum(0));
                            }
                        });
            }
        });
    }

    /**
     * Exchanges as many rows with every member.
     *
     * @param into {@code [members · rows, …]}, the rows of the first member first
     * @param from {@code [members · rows, …]}, the rows for the first member first
     */
    public Pending allToAll(Tensor into, Tensor from, String label) {
        check(into, from);
        if (!Arrays.equals(into.shape(), from.shape()) || from.size(0) % members.size() != 0) {
            throw new IllegalArgumentException("allToAll '%s': %s to %s among %d members"
                    .formatted(label, from.describe(), into.describe(), members.size()));
        }
        if (backends == null) {
            into.copy(from);
        }
        return begin(label, scope -> exchange(scope, into, from, new long[0], new long[0]));
    }

    /**
     * Agrees on an uneven exchange: tells every member how many rows of each kind will come, and checks that both sides
     * mean the same exchange. Waits for the other members.
     *
     * @param rows {@code [members][kinds]}: rows of each kind that go to each member
     * @param rowElements elements of a row
     * @param type of the rows, before {@link #onWire}
     * @throws dev.moe4j.parallel.layout.ParallelException if another member means another exchange, or is lost
     */
    public Splits agree(long[][] rows, long rowElements, DType type, String label) {
        if (rows.length != members.size()) {
            throw new IllegalArgumentException(
                    "agree '%s': rows for %d of %d members".formatted(label, rows.length, members.size()));
        }
        long rowBytes = rowElements * wireType(type).bytes();
        FailureDetector watched = watch;
        if (watched == null) {
            return new Splits(rows, rows, rowBytes);
        }
        // Each member's line: bytes of a row, a mark of the label, rows of each kind.
        int kinds = rows[0].length;
        long[] lines = new long[members.size() * (HEADER + kinds)];
        for (int member = 0; member < members.size(); member++) {
            int line = member * (HEADER + kinds);
            lines[line] = rowBytes;
            lines[line + 1] = label.hashCode();
            System.arraycopy(rows[member], 0, lines, line + HEADER, kinds);
        }
        long[] answers;
        try (Scope _ = Scope.open()) {
            Tensor sent = Tensor.of(lines);
            Tensor received = sent.emptyLike();
            allToAll(received, sent, label).await();
            answers = received.toLongs();
        }
        long[][] coming = new long[members.size()][];
        for (int member = 0; member < members.size(); member++) {
            int line = member * (HEADER + kinds);
            Optional<String> difference = difference(member, label, rowBytes, answers[line], answers[line + 1]);
            if (difference.isPresent()) {
                throw watched.disagreement(new Exchange(members, label, 0), difference.get());
            }
            coming[member] = Arrays.copyOfRange(answers, line + HEADER, line + HEADER + kinds);
        }
        return new Splits(rows, coming, rowBytes);
    }

    /**
     * An exchange in which all members send the same rows as this one, so that none need be told.
     *
     * @param rows {@code [members][kinds]}: rows of each kind that go to each member
     */
    public Splits even(long[][] rows, long rowElements, DType type) {
        long[][] coming = new long[members.size()][];
        Arrays.fill(coming, rows[members.index()]);
        return new Splits(rows, coming, rowElements * wireType(type).bytes());
    }

    private Optional<String> difference(int member, String label, long rowBytes, long theirRowBytes, long theirMark) {
        int rank = members.ranks().get(member);
        if (theirMark != label.hashCode()) {
            return Optional.of(
                    "rank %d is in another exchange than '%s' of rank %d: all ranks must make the same exchanges in the same order"
                            .formatted(rank, label, members.rank()));
        }
        return theirRowBytes == rowBytes
                ? Optional.empty()
                : Optional.of(
                        "rank %d has rows of %,d bytes where rank %d has %,d: all ranks must exchange rows of one width and type"
                                .formatted(rank, theirRowBytes, members.rank(), rowBytes));
    }

    /**
     * Exchanges rows as agreed on.
     *
     * @param into {@code [rows received, …]}, those of the first member first
     * @param from {@code [rows sent, …]}, those for the first member first
     */
    public Pending allToAll(Tensor into, Tensor from, Splits splits, String label) {
        check(into, from);
        checkRows(label, "to send", from, splits.totalSent(), splits.rowBytes());
        checkRows(label, "to receive", into, splits.totalReceived(), splits.rowBytes());
        if (backends == null) {
            into.copy(from);
        }
        return begin(label, scope -> exchange(scope, into, from, splits.rowsReceived(), splits.rowsSent()));
    }

    /** The sums over the members, equal on all. Waits for them. */
    public double[] sum(double[] values, String label) {
        if (backends == null) {
            return values;
        }
        try (Scope _ = Scope.open()) {
            Tensor sums = Tensor.of(values);
            allReduce(Reduction.SUM, sums, label).await();
            return sums.toDoubles();
        }
    }

    /** Whether that is so for any member. Waits for them. */
    public boolean any(boolean here, String label) {
        return sum(new double[] {here ? 1 : 0}, label)[0] > 0;
    }

    /** The values of the first member, which alone decides on them; others give as many of any. Waits for it. */
    public double[] fromFirst(double[] values, String label) {
        if (backends == null) {
            return values;
        }
        try (Scope _ = Scope.open()) {
            Tensor shared = Tensor.of(values);
            broadcast(shared, 0, label).await();
            return shared.toDoubles();
        }
    }

    double waitedSeconds() {
        return watch == null ? 0 : watch.journal().waitedSeconds();
    }

    /** Waits until all members have come here. */
    public void barrier(String label) {
        begin(label, _ -> new Begun(hosts().barrier(), false, () -> {})).await();
    }

    private Begun exchange(Scope scope, Tensor into, Tensor from, long[] received, long[] sent) {
        Tensor sending = toWire(scope, from);
        Tensor receiving = wireLike(scope, into);
        try (LongVector receivedRows = new LongVector(received);
                LongVector sentRows = new LongVector(sent)) {
            return begun(
                    sending,
                    backend(sending)
                            .alltoall_base(
                                    NativeTensor.of(receiving), NativeTensor.of(sending), receivedRows, sentRows),
                    () -> fromWire(into, receiving));
        }
    }

    /**
     * An exchange that libtorch has begun, and what is to be done when it has ended.
     *
     * @param onDevice whether a GPU waits for it, and not the host
     */
    private record Begun(Work work, boolean onDevice, Runnable completion) {}

    private static Begun begun(Tensor moved, Work work, Runnable completion) {
        return new Begun(work, moved.device().isCuda(), completion);
    }

    private Pending begin(String label, Function<Scope, Begun> call) {
        FailureDetector watched = watch;
        if (backends == null || watched == null) {
            return Pending.done();
        }
        Exchange exchange = new Exchange(members, label, watched.journal().begin(members.name()));
        watched.checkTold(exchange, 0);
        Scope temporaries = Scope.detached();
        try {
            Begun begun = call.apply(temporaries);
            return Pending.of(exchange, watched, begun.work(), begun.onDevice(), temporaries, begun.completion());
        } catch (RuntimeException e) {
            temporaries.close();
            throw watched.failure(exchange, 0, FirstLine.of(e), e);
        }
    }

    private Backend backend(Tensor moved) {
        return moved.device().isCuda() ? connected().cuda() : hosts();
    }

    /** What hosts meet by. */
    private Backend hosts() {
        return connected().cpu();
    }

    private Backends connected() {
        if (backends == null) {
            throw new IllegalStateException("a group of one member has no backend");
        }
        return backends;
    }

    // Checks of what this process does wrong by itself

    private static void check(Tensor... tensors) {
        for (Tensor tensor : tensors) {
            if (!tensor.isContiguous() || !tensor.device().equals(tensors[0].device())) {
                throw new IllegalArgumentException(
                        tensor.describe() + ": collectives take contiguous tensors on one device");
            }
        }
    }

    private void checkParts(Tensor whole, Tensor part, String label) {
        if (whole.elements() != members.size() * part.elements() || whole.dtype() != part.dtype()) {
            throw new IllegalArgumentException(
                    "'%s': %s is not %d times %s".formatted(label, whole.describe(), members.size(), part.describe()));
        }
    }

    private void checkRows(String label, String what, Tensor tensor, long rows, long rowBytes) {
        long bytes = wireType(tensor.dtype()).bytes();
        if (tensor.size(0) != rows || tensor.elements() * bytes != rows * rowBytes) {
            throw new IllegalArgumentException("'%s': %d rows of %d bytes are agreed on %s, not %s"
                    .formatted(label, rows, rowBytes, what, tensor.describe()));
        }
    }

    // The wire

    private DType wireType(DType type) {
        return wire != null && type.floating() && wire.bytes() < type.bytes() ? wire : type;
    }

    private Tensor toWire(Scope scope, Tensor tensor) {
        DType type = wireType(tensor.dtype());
        return type == tensor.dtype()
                ? tensor
                : make(scope, type, tensor.device(), tensor.shape()).copy(tensor);
    }

    private Tensor wireLike(Scope scope, Tensor tensor) {
        DType type = wireType(tensor.dtype());
        return type == tensor.dtype() ? tensor : make(scope, type, tensor.device(), tensor.shape());
    }

    private static void fromWire(Tensor target, Tensor received) {
        if (received != target) {
            target.copy(received);
        }
    }

    private static Tensor make(Scope owner, DType type, Device device, long... shape) {
        try (Scope _ = Scope.open()) {
            return owner.keep(Tensor.empty(type, device, shape));
        }
    }
}
