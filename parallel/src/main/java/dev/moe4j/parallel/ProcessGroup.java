package dev.moe4j.parallel;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.parallel.c10d.CollectiveBackends;
import dev.moe4j.parallel.health.CollectiveId;
import dev.moe4j.parallel.layout.AllToAllSplits;
import dev.moe4j.parallel.layout.Members;
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
 * A group of ranks that run collectives together: all-reduce, all-gather, reduce-scatter, broadcast and all-to-all.
 *
 * <p>All members must call the same collectives in the same order. Tensors must have the same sizes on all members; an
 * uneven all-to-all first exchanges the sizes, see {@link #agree}. Tensors must be contiguous, and all tensors of one call
 * must be on one device. NCCL moves tensors on GPUs, and Gloo moves tensors on the CPU.
 *
 * <p>A call starts the collective and returns a {@link PendingCollective} to wait for. Its label, such as
 * {@code layer 3 dispatch}, appears in error messages. A group of one member copies locally and does not use c10d.
 */
public final class ProcessGroup {

    /** Numbers that precede the row counts in the message in which members announce an uneven all-to-all. */
    private static final int HEADER = 2;

    private final Members members;
    private final @Nullable CollectiveBackends backends;
    private final @Nullable FailureDetector detector;
    private final @Nullable DType wire;

    /**
     * Creates a group. Backends and detector are null for a group of one member.
     *
     * @param detector explains failed collectives
     * @param wire the type in which floating-point tensors are sent; null to send them unconverted
     */
    public ProcessGroup(
            Members members,
            @Nullable CollectiveBackends backends,
            @Nullable FailureDetector detector,
            @Nullable DType wire) {
        this.members = members;
        this.backends = backends;
        this.detector = detector;
        this.wire = wire;
    }

    /** Returns the group of a single process. */
    static ProcessGroup alone(Members members) {
        return new ProcessGroup(members, null, null, null);
    }

    public Members members() {
        return members;
    }

    /**
     * Returns this group with a wire type. Floating-point tensors that are wider than {@code type} are converted to it
     * before sending and converted back on arrival. With bf16 this halves the traffic of fp32 tensors.
     */
    public ProcessGroup onWire(DType type) {
        return new ProcessGroup(members, backends, detector, type);
    }

    /**
     * All-reduce: replaces {@code x} by its reduction over the members. The result is the same on all members. A narrower
     * wire type also rounds the partial sums.
     */
    public PendingCollective allReduce(Reduction reduction, Tensor x, String label) {
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

    /**
     * Broadcast: replaces {@code x} on all members by the {@code x} of one member.
     *
     * @param root the sending member's index in the group, which is not its global rank
     */
    public PendingCollective broadcast(Tensor x, int root, String label) {
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
     * All-gather: concatenates the members' {@code part} tensors into {@code whole}, in member order.
     *
     * @param whole receives members × elements of {@code part}
     */
    public PendingCollective allGather(Tensor whole, Tensor part, String label) {
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
     * Reduce-scatter: sums {@code whole} over the members and writes this member's shard of the sum into {@code part}.
     *
     * <p>The implementation is an all-to-all of shards followed by a local sum. The sum runs in member order and in the
     * type of {@code part}, so a narrower wire type rounds each addend only once. A comparison with the speed of Gloo's
     * reduce-scatter is in docs/log.md.
     *
     * @param whole members × elements of {@code part}; it is not modified
     */
    public PendingCollective reduceScatter(Tensor part, Tensor whole, String label) {
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
     * All-to-all with the same number of rows for every pair of members.
     *
     * @param into {@code [members · rows, …]}, the received rows in member order
     * @param from {@code [members · rows, …]}, the rows to send in member order
     */
    public PendingCollective allToAll(Tensor into, Tensor from, String label) {
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
     * Exchanges the row counts of an uneven all-to-all, and checks that all members are in the same collective. Blocks
     * until all members have called it.
     *
     * @param rows {@code [members][kinds]}: how many rows of each kind, such as an expert, this rank sends to each member
     * @param rowElements the number of elements in a row
     * @param type the rows' type before conversion to the wire type
     * @throws dev.moe4j.parallel.layout.ParallelException if a member is in another collective, has rows of another size,
     *     or is lost
     */
    public AllToAllSplits agree(long[][] rows, long rowElements, DType type, String label) {
        if (rows.length != members.size()) {
            throw new IllegalArgumentException(
                    "agree '%s': rows for %d of %d members".formatted(label, rows.length, members.size()));
        }
        long rowBytes = rowElements * wireType(type).bytes();
        FailureDetector detector = this.detector;
        if (detector == null) {
            return new AllToAllSplits(rows, rows, rowBytes);
        }
        // The message to each member: bytes per row, a hash of the label, and the number of rows of each kind.
        int kinds = rows[0].length;
        long[] lines = new long[members.size() * (HEADER + kinds)];
        for (int member = 0; member < members.size(); member++) {
            int line = member * (HEADER + kinds);
            lines[line] = rowBytes;
            lines[line + 1] = label.hashCode();
            System.arraycopy(rows[member], 0, lines, line + HEADER, kinds);
        }
        long[] announced;
        try (Scope _ = Scope.open()) {
            Tensor sent = Tensor.of(lines);
            Tensor received = sent.emptyLike();
            allToAll(received, sent, label).await();
            announced = received.toLongs();
        }
        long[][] received = new long[members.size()][];
        for (int member = 0; member < members.size(); member++) {
            int line = member * (HEADER + kinds);
            Optional<String> difference = difference(member, label, rowBytes, announced[line], announced[line + 1]);
            if (difference.isPresent()) {
                throw detector.disagreement(new CollectiveId(members, label, 0), difference.get());
            }
            received[member] = Arrays.copyOfRange(announced, line + HEADER, line + HEADER + kinds);
        }
        return new AllToAllSplits(rows, received, rowBytes);
    }

    /**
     * Returns the row counts of an all-to-all in which all members send the same numbers of rows. This takes no
     * communication.
     *
     * @param rows {@code [members][kinds]}: rows of each kind that every rank sends to each member
     * @param rowElements the number of elements in a row
     * @param type the rows' type before conversion to the wire type
     */
    public AllToAllSplits even(long[][] rows, long rowElements, DType type) {
        long[][] received = new long[members.size()][];
        Arrays.fill(received, rows[members.index()]);
        return new AllToAllSplits(rows, received, rowElements * wireType(type).bytes());
    }

    private Optional<String> difference(int member, String label, long rowBytes, long theirRowBytes, long theirMark) {
        int rank = members.ranks().get(member);
        if (theirMark != label.hashCode()) {
            return Optional.of(
                    "rank %d is in another collective than '%s' of rank %d: all ranks must call the same collectives in the same order"
                            .formatted(rank, label, members.rank()));
        }
        return theirRowBytes == rowBytes
                ? Optional.empty()
                : Optional.of(
                        "rank %d has rows of %,d bytes, but rank %d has rows of %,d bytes: all ranks must use the same row width and type"
                                .formatted(rank, theirRowBytes, members.rank(), rowBytes));
    }

    /**
     * All-to-all with the row counts of {@code splits}, which may be uneven.
     *
     * @param into {@code [rows received, …]}, the received rows in member order
     * @param from {@code [rows sent, …]}, the rows to send in member order
     */
    public PendingCollective allToAll(Tensor into, Tensor from, AllToAllSplits splits, String label) {
        check(into, from);
        checkRows(label, "to send", from, splits.totalSent(), splits.rowBytes());
        checkRows(label, "to receive", into, splits.totalReceived(), splits.rowBytes());
        if (backends == null) {
            into.copy(from);
        }
        return begin(label, scope -> exchange(scope, into, from, splits.rowsReceived(), splits.rowsSent()));
    }

    /** Returns the elementwise sums over the members, the same on all members. Blocks until all members have called it. */
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

    /** Returns whether {@code here} is true on any member. Blocks until all members have called it. */
    public boolean any(boolean here, String label) {
        return sum(new double[] {here ? 1 : 0}, label)[0] > 0;
    }

    /**
     * Returns the first member's values on all members. The other members pass an array of the same length, whose content
     * is ignored. Blocks until the values arrive.
     */
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
        return detector == null ? 0 : detector.progress().waitedSeconds();
    }

    /** Blocks until all members have called it. */
    public void barrier(String label) {
        begin(label, _ -> new Begun(cpuBackend().barrier(), false, () -> {})).await();
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
     * A collective that libtorch has started.
     *
     * @param onDevice whether a GPU stream waits for it instead of the host
     * @param completion runs after the collective has finished
     */
    private record Begun(Work work, boolean onDevice, Runnable completion) {}

    private static Begun begun(Tensor moved, Work work, Runnable completion) {
        return new Begun(work, moved.device().isCuda(), completion);
    }

    private PendingCollective begin(String label, Function<Scope, Begun> call) {
        FailureDetector detector = this.detector;
        if (backends == null || detector == null) {
            return PendingCollective.done();
        }
        CollectiveId exchange =
                new CollectiveId(members, label, detector.progress().begin(members.name()));
        detector.throwIfReported(exchange, 0);
        Scope temporaries = Scope.detached();
        try {
            Begun begun = call.apply(temporaries);
            return PendingCollective.of(
                    exchange, detector, begun.work(), begun.onDevice(), temporaries, begun.completion());
        } catch (RuntimeException e) {
            temporaries.close();
            throw detector.failure(exchange, 0, FirstLine.of(e), e);
        }
    }

    private Backend backend(Tensor moved) {
        return moved.device().isCuda() ? connected().cuda() : cpuBackend();
    }

    private Backend cpuBackend() {
        return connected().cpu();
    }

    private CollectiveBackends connected() {
        if (backends == null) {
            throw new IllegalStateException("a group of one member does not have a backend");
        }
        return backends;
    }

    // Checks of this process's arguments

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
            throw new IllegalArgumentException("'%s': the row counts require %d rows of %d bytes %s, not %s"
                    .formatted(label, rows, rowBytes, what, tensor.describe()));
        }
    }

    // Conversion to and from the wire type

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
