package dev.moe4j.model.parameter;

import dev.moe4j.parallel.Pending;
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
 * Sums gradients of units over the ranks that hold them, and brings shared-out pieces together. A reduction begins as
 * soon as backward has passed a unit's last use. Where working copies are shared out, the unit that follows in the
 * direction of the pass is gathered while a section runs.
 */
public final class ParameterExchange implements ShardSync {

    private final ProcessGroup group;
    private final double factor;
    private final List<ParameterGroup> units = new ArrayList<>();
    private final Map<ParameterGroup, Integer> places = new HashMap<>();
    private final Deque<Reducing> reducing = new ArrayDeque<>();
    private final Set<ParameterGroup> reduced = new HashSet<>();
    private final Set<ParameterGroup> open = new HashSet<>();
    private @Nullable Gathering ahead;
    private int lastPlace;
    private int direction = 1;
    private boolean lastPass;

    /**
     * A reduction under way.
     *
     * @param piece where the own piece arrives; null where the sum takes the place of the whole gradient
     * @param scope the piece's
     */
    private record Reducing(
            ParameterGroup unit, Pending pending, @Nullable Tensor piece, Scope scope) {}

    /** A unit's parameters on their way before a section has asked for them. */
    private record Gathering(ParameterGroup unit, Pending pending) {}

    /**
     * An exchange of units among the ranks that hold them.
     *
     * @param factor that sums of gradients are multiplied by
     */
    public ParameterExchange(ProcessGroup group, double factor) {
        this.group = group;
        this.factor = factor;
    }

    /** What of a unit each rank keeps. */
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

    /** Takes a unit on; all ranks in the same order, in which sections use them. */
    void add(ParameterGroup unit) {
        places.put(unit, units.size());
        units.add(unit);
    }

    /**
     * Begins a backward pass: what the one before has left under way is awaited.
     *
     * @param last whether it is the step's last, so that units can be reduced as they are passed
     */
    public void beginBackward(boolean last) {
        completeAll();
        lastPass = last;
    }

    /** What each rank keeps a piece of, whole, in the innermost scope. */
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
        Gathering known = ahead;
        if (known != null && known.unit() == unit) {
            ahead = null;
            await(known);
        } else {
            if (known != null) {
                dropGathered(known.unit());
            }
            await(gather(unit));
        }
        open.add(unit);
        try {
            gatherNext(unit);
        } catch (RuntimeException | Error e) {
            release(unit);
            throw e;
        }
    }

    /** Drops a unit's parameters that were gathered before a section has asked for them. */
    private void dropGathered(ParameterGroup unit) {
        Gathering known = ahead;
        if (known != null && known.unit() == unit) {
            ahead = null;
            await(known);
            unit.closeWork();
        }
    }

    /** Begins to gather the unit that follows in the direction of the pass. */
    private void gatherNext(ParameterGroup unit) {
        int place = Objects.requireNonNull(places.get(unit));
        direction = place == lastPlace ? direction : Integer.compare(place, lastPlace);
        lastPlace = place;
        int next = place + direction;
        if (next >= 0 && next < units.size() && !open.contains(units.get(next))) {
            ahead = gather(units.get(next));
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
        dropGathered(unit);
        if (unit.share().states() && !unit.share().work()) {
            try (Scope _ = Scope.open()) {
                gatherInto(unit).await();
            }
        }
    }

    private Gathering gather(ParameterGroup unit) {
        try {
            unit.openWork();
            return new Gathering(unit, gatherInto(unit));
        } catch (RuntimeException | Error e) {
            unit.closeWork();
            throw e;
        }
    }

    /** Waits for a unit's parameters. If they do not arrive, their memory is given back. */
    private static void await(Gathering gathering) {
        try {
            gathering.pending().await();
        } catch (RuntimeException | Error e) {
            gathering.unit().closeWork();
            throw e;
        }
    }

    private Pending gatherInto(ParameterGroup unit) {
        return group.allGather(unit.wholeWork(), unit.ownWork(), "parameters of " + unit.name());
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
        for (Reducing old : reducing.stream().filter(one -> one.unit() == unit).toList()) {
            reducing.remove(old);
            try (Scope _ = old.scope()) {
                old.pending().await();
            }
        }
        dropGathered(unit);
    }

    private void reduce(ParameterGroup unit) {
        unit.zeroUnwritten();
        reduced.add(unit);
        String label = "gradient of " + unit.name();
        Tensor whole = unit.wholeGradient();
        if (!unit.share().states()) {
            reducing.add(new Reducing(unit, group.allReduce(Reduction.SUM, whole, label), null, Scope.detached()));
            return;
        }
        // These take memory, so that one is under way at a time.
        completeAll();
        reducing.add(Scope.owner(scope -> {
            try (Scope _ = Scope.open()) {
                Tensor piece = scope.keep(Tensor.empty(
                        whole.dtype(),
                        whole.device(),
                        whole.elements() / group.members().size()));
                return new Reducing(unit, group.reduceScatter(piece, whole, label), piece, scope);
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

    private static void complete(Reducing done) {
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
