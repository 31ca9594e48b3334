package dev.moe4j.model.parameter;

import dev.moe4j.parallel.PendingCollective;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.parallel.Reduction;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.ShardSpec;
import dev.moe4j.tensor.parameter.ShardSync;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Synchronises parameter groups over the ranks that hold them. It all-reduces gradients (data parallel), or
 * reduce-scatters them if the optimizer is sharded (ZeRO), and gathers sharded parameters. A group's reduction starts
 * as soon as backward has passed the group's last use. If working copies are sharded, the next group in the direction
 * of the pass is prefetched while a section runs.
 */
public final class ParameterExchange implements ShardSync {

    private final ProcessGroup group;
    private final double factor;
    private final List<ParameterGroup> groups = new ArrayList<>();
    private final Map<ParameterGroup, Integer> positions = new HashMap<>();
    private final Deque<PendingReduction> reducing = new ArrayDeque<>();
    private final Set<ParameterGroup> reduced = new HashSet<>();
    private final Set<ParameterGroup> open = new HashSet<>();
    private @Nullable PendingGather prefetched;
    private int lastPosition;
    private int direction = 1;
    private boolean lastPass;

    /**
     * A reduction in flight.
     *
     * @param piece receives this rank's shard; null if the sum overwrites the complete gradient
     * @param scope owns the piece
     */
    private record PendingReduction(
            ParameterGroup unit,
            PendingCollective pending,
            @Nullable Tensor piece,
            Scope scope) {}

    /** A prefetch in flight: a group's parameters before a section has requested them. */
    private record PendingGather(ParameterGroup unit, PendingCollective pending) {}

    /**
     * An exchange of groups among the ranks that hold them.
     *
     * @param factor multiplies the summed gradients
     */
    public ParameterExchange(ProcessGroup group, double factor) {
        this.group = group;
        this.factor = factor;
    }

    /** The sharding of a group: the part that each rank keeps. */
    ShardSpec share(Sharding sharding) {
        Members members = group.members();
        boolean several = members.size() > 1;
        return new ShardSpec(
                members.size(),
                members.index(),
                several && sharding.includes(Sharding.OPTIMIZER),
                several && sharding.includes(Sharding.GRADIENTS),
                several && sharding.includes(Sharding.PARAMETERS));
    }

    /** Adds a group. All ranks must add groups in the same order, in which sections use them. */
    void add(ParameterGroup unit) {
        positions.put(unit, groups.size());
        groups.add(unit);
    }

    /**
     * Prepares for a backward pass. Waits for reductions that the previous pass left in flight.
     *
     * @param last whether this is the step's last backward pass, so that groups can be reduced during the pass
     */
    public void beginBackward(boolean last) {
        completeAll();
        lastPass = last;
    }

    /**
     * A complete tensor, gathered from the ranks' shards. The innermost scope owns it.
     *
     * @param kept this rank's shard; returned if it is not sharded
     */
    public Tensor whole(ParameterGroup unit, Tensor kept) {
        if (!unit.share().states()) {
            return kept;
        }
        Tensor whole = Tensor.empty(kept.dtype(), kept.device(), unit.elements());
        group.allGather(whole, kept, "copy of " + unit.name()).await();
        return whole;
    }

    // Working copies

    @Override
    public void acquire(ParameterGroup unit) {
        if (!unit.share().work()) {
            return;
        }
        PendingGather known = prefetched;
        if (known != null && known.unit() == unit) {
            prefetched = null;
            await(known);
        } else {
            if (known != null) {
                dropPrefetched(known.unit());
            }
            await(gather(unit));
        }
        open.add(unit);
        try {
            prefetchNext(unit);
        } catch (RuntimeException | Error e) {
            release(unit);
            throw e;
        }
    }

    /** Drops prefetched parameters of a group that no section has requested. */
    private void dropPrefetched(ParameterGroup unit) {
        PendingGather known = prefetched;
        if (known != null && known.unit() == unit) {
            prefetched = null;
            await(known);
            unit.closeWork();
        }
    }

    /** Prefetches the next group in the direction of the pass. */
    private void prefetchNext(ParameterGroup unit) {
        int position = Objects.requireNonNull(positions.get(unit));
        direction = position == lastPosition ? direction : Integer.compare(position, lastPosition);
        lastPosition = position;
        int next = position + direction;
        if (next >= 0 && next < groups.size() && !open.contains(groups.get(next))) {
            prefetched = gather(groups.get(next));
        }
    }

    @Override
    public void release(ParameterGroup unit) {
        if (open.remove(unit)) {
            unit.closeWork();
        }
    }

    @Override
    public void refreshed(ParameterGroup unit) {
        dropPrefetched(unit);
        if (unit.share().states() && !unit.share().work()) {
            try (Scope _ = Scope.open()) {
                gatherInto(unit).await();
            }
        }
    }

    private PendingGather gather(ParameterGroup unit) {
        try {
            unit.openWork();
            return new PendingGather(unit, gatherInto(unit));
        } catch (RuntimeException | Error e) {
            unit.closeWork();
            throw e;
        }
    }

    /** Waits for a group's parameters. If the gather fails, their memory is freed. */
    private static void await(PendingGather gathering) {
        try {
            gathering.pending().await();
        } catch (RuntimeException | Error e) {
            gathering.unit().closeWork();
            throw e;
        }
    }

    private PendingCollective gatherInto(ParameterGroup unit) {
        return group.allGather(unit.fullWorkingCopy(), unit.workingCopyShard(), "parameters of " + unit.name());
    }

    // Gradients

    @Override
    public void ready(ParameterGroup unit) {
        if (group.members().size() > 1 && (lastPass || unit.share().gradients())) {
            reduce(unit);
        }
    }

    @Override
    public void finish(ParameterGroup unit) {
        if (group.members().size() > 1 && !unit.share().gradients() && !reduced.contains(unit)) {
            reduce(unit);
        }
        completeUntil(unit);
        reduced.remove(unit);
        if (factor != 1) {
            unit.gradient().mulInPlace(factor);
        }
    }

    @Override
    public void reset(ParameterGroup unit) {
        reduced.remove(unit);
        for (PendingReduction old :
                reducing.stream().filter(one -> one.unit() == unit).toList()) {
            reducing.remove(old);
            try (Scope _ = old.scope()) {
                old.pending().await();
            }
        }
        dropPrefetched(unit);
    }

    private void reduce(ParameterGroup unit) {
        unit.zeroUnwritten();
        reduced.add(unit);
        String label = "gradient of " + unit.name();
        Tensor whole = unit.wholeGradient();
        if (!unit.share().states()) {
            reducing.add(
                    new PendingReduction(unit, group.allReduce(Reduction.SUM, whole, label), null, Scope.detached()));
            return;
        }
        // A reduce-scatter takes memory, so only one is in flight at a time.
        completeAll();
        reducing.add(Scope.owner(scope -> {
            try (Scope _ = Scope.open()) {
                Tensor piece = scope.keep(Tensor.empty(
                        whole.dtype(),
                        whole.device(),
                        whole.elements() / group.members().size()));
                return new PendingReduction(unit, group.reduceScatter(piece, whole, label), piece, scope);
            }
        }));
    }

    private void completeAll() {
        while (!reducing.isEmpty()) {
            complete(reducing.remove());
        }
    }

    private void completeUntil(ParameterGroup unit) {
        while (reducing.stream().anyMatch(other -> other.unit() == unit)) {
            complete(reducing.remove());
        }
    }

    private static void complete(PendingReduction done) {
        try (Scope _ = done.scope()) {
            done.pending().await();
            Tensor piece = done.piece();
            if (piece != null) {
                try (Scope _ = Scope.open()) {
                    done.unit().addReduced(piece);
                }
            }
        }
    }
}
