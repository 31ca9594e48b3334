package dev.moe4j.tensor.parameter;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A group of parameters in flat buffers: master weights, gradient, working copy in the compute type (mixed precision) and
 * optimizer states. An optimizer, a collective or a checkpoint handles a whole group in one call. Parameters with weight
 * decay come first, so weight decay applies to one range of the buffer.
 *
 * <p>A group can be sharded over data-parallel processes (ZeRO, Rajbhandari et al. 2020): {@link ShardSpec} says which
 * buffers. Buffers are then padded to a multiple of the number of processes, and each process keeps one shard of a sharded
 * buffer. The full working copy exists only between {@link #acquire} and {@link #release}. The full gradient exists only
 * from the first contribution of a backward pass until its reduction.
 */
public final class ParameterGroup {

    /** Parameters start at multiples of this number of elements, which is 64 bytes in a 16-bit type. */
    static final int ALIGNMENT = 32;

    private final String name;
    private final Scope scope;
    private final ShardSpec shard;
    private final ShardSync sync;
    private final long elements;
    private final long decayed;
    private final Tensor master;
    /** The full working copy, or this process's shard of it. */
    private final Tensor work;
    /** The full gradient, or this process's shard of it. */
    private final Tensor gradient;

    private final List<Parameter> parameters = new ArrayList<>();
    private final Map<String, Tensor> states = new LinkedHashMap<>();
    private int users;
    private boolean reduced;
    private @Nullable Scope gatheredScope;
    private @Nullable Tensor fullWorkingCopy;
    private @Nullable Scope gradientScope;
    private @Nullable Tensor wholeGradient;

    ParameterGroup(
            String name,
            List<Parameter.Spec> specs,
            Precision precision,
            Device device,
            ShardSpec shard,
            ShardSync sync,
            Scope scope) {
        this.name = name;
        this.shard = shard;
        this.sync = sync;
        this.scope = scope;
        List<Parameter.Spec> ordered = new ArrayList<>(specs);
        ordered.sort(Comparator.comparing((Parameter.Spec spec) -> !spec.decayed()));
        long total = 0;
        long decays = 0;
        for (Parameter.Spec spec : ordered) {
            total += aligned(spec.elements());
            decays = spec.decayed() ? total : decays;
        }
        this.elements = padded(total, shard.count());
        this.decayed = decays;
        try (Scope _ = Scope.open()) {
            master = zeros(precision.master(), device, shard.states());
            gradient = zeros(precision.accumulate(), device, shard.gradients());
            work = precision.compute() == precision.master() && shard.states() == shard.work()
                    ? master
                    : zeros(precision.compute(), device, shard.work());
            long offset = 0;
            for (Parameter.Spec spec : ordered) {
                parameters.add(new Parameter(
                        spec,
                        this,
                        offset,
                        shard.states() ? null : scope.keep(view(master, offset, spec)),
                        scope.keep(handle(work, shard.work(), offset, spec).requireGradient()),
                        scope.keep(handle(gradient, shard.gradients(), offset, spec))));
                offset += aligned(spec.elements());
            }
        }
    }

    private Tensor zeros(DType type, Device device, boolean sharded) {
        return scope.keep(Tensor.zeros(type, device, sharded ? elements / shard.count() : elements));
    }

    /** A view of the buffer. If the buffer is sharded, an empty tensor that is later made to share memory. */
    private static Tensor handle(Tensor buffer, boolean sharded, long offset, Parameter.Spec spec) {
        return sharded
                ? Tensor.empty(buffer.dtype(), buffer.device(), 0)
                : view(buffer, offset, spec).detach();
    }

    private static Tensor view(Tensor flat, long offset, Parameter.Spec spec) {
        return flat.narrow(0, offset, spec.elements()).view(spec.dimensions());
    }

    /** The number of elements that a parameter takes in its group's buffers, with padding. */
    public static long aligned(long elements) {
        return padded(elements, 1);
    }

    /**
     * The number of elements of a group's buffers, with padding.
     *
     * @param elements the sum of {@link #aligned} over the group's parameters
     * @param processes the number of processes that hold the group
     */
    public static long padded(long elements, int processes) {
        long multiple = (long) ALIGNMENT * processes;
        return Math.ceilDiv(elements, multiple) * multiple;
    }

    public String name() {
        return name;
    }

    public List<Parameter> parameters() {
        return List.copyOf(parameters);
    }

    /** How the group is sharded. */
    public ShardSpec share() {
        return shard;
    }

    /** The number of elements of the unsharded group, with padding. */
    public long elements() {
        return elements;
    }

    /** The master weights, {@code [elements]}, or this process's shard of them. The padding is zero. */
    public Tensor master() {
        return master;
    }

    /** The gradient of the elements in {@link #master}. The padding is zero. */
    public Tensor gradient() {
        return shard.states() ? ownGradient() : gradient;
    }

    /** This process's shard of the gradient, {@code [elements / processes]}. */
    public Tensor ownGradient() {
        return shard.gradients() ? gradient : own(gradient);
    }

    /** The length of the prefix of {@link #master} to which weight decay applies if it is limited to matrices. */
    public long decayedElements() {
        return shard.states() ? Math.clamp(decayed - ownStart(), 0, elements / shard.count()) : decayed;
    }

    /** An optimizer state of the shape and type of {@link #master}. The first call creates it with zeros. */
    public Tensor state(String purpose) {
        Tensor known = states.get(purpose);
        if (known == null) {
            try (Scope _ = Scope.open()) {
                known = scope.keep(Tensor.zeros(master.dtype(), master.device(), master.elements()));
            }
            states.put(purpose, known);
        }
        return known;
    }

    /** A parameter's view of an unsharded flat buffer {@code [elements]}, in the parameter's shape. */
    public Tensor view(Tensor flat, Parameter parameter) {
        return view(flat, parameter.offset(), parameter.spec());
    }

    /**
     * Writes {@link #master} or an optimizer state. If it is sharded, this process keeps only its shard of the values.
     *
     * @param kept the master weights or an optimizer state
     * @param fill writes the values of the unsharded group into a buffer of zeros {@code [elements]}
     */
    public void write(Tensor kept, Consumer<Tensor> fill) {
        if (!shard.states()) {
            fill.accept(kept);
            return;
        }
        try (Scope _ = Scope.open()) {
            Tensor whole = Tensor.zeros(kept.dtype(), kept.device(), elements);
            fill.accept(whole);
            kept.copy(own(whole));
        }
    }

    private long ownStart() {
        return elements / shard.count() * shard.index();
    }

    private Tensor own(Tensor whole) {
        return shard.count() == 1 ? whole : whole.narrow(0, ownStart(), elements / shard.count());
    }

    /** Updates the working copy from the master weights. */
    public void refresh() {
        if (work != master) {
            try (Scope _ = Scope.open()) {
                ownOf(work, shard.states() && !shard.work()).copy(master);
            }
        }
        sync.refreshed(this);
    }

    private Tensor ownOf(Tensor buffer, boolean whole) {
        return whole ? own(buffer) : buffer;
    }

    // Collectives: called by ShardSync

    /**
     * The full working copy, {@code [elements]} in the compute type.
     *
     * @throws TensorException if it is sharded and not gathered
     */
    public Tensor fullWorkingCopy() {
        if (!shard.work()) {
            return work;
        }
        if (fullWorkingCopy == null) {
            throw new TensorException(name + ": its parameters are sharded and have not been gathered");
        }
        return fullWorkingCopy;
    }

    /** This process's shard of the working copy. It belongs to this group or, as a view, to the innermost scope. */
    public Tensor workingCopyShard() {
        return ownOf(work, !shard.work());
    }

    /** Allocates the full working copy, uninitialized, and makes {@link Parameter#tensor()} refer to it. */
    public void openWork() {
        Scope opened = Scope.detached();
        try (Scope _ = Scope.open()) {
            Tensor whole = opened.keep(Tensor.empty(work.dtype(), work.device(), elements));
            gatheredScope = opened;
            fullWorkingCopy = whole;
            parameters.forEach(parameter -> parameter.tensor().shareMemoryOf(view(whole, parameter)));
        }
    }

    /** Frees the full working copy that {@link #openWork} allocated, if any. */
    public void closeWork() {
        Scope opened = gatheredScope;
        if (opened != null) {
            detach(work.dtype(), Parameter::tensor);
            opened.close();
            gatheredScope = null;
            fullWorkingCopy = null;
        }
    }

    /** The full gradient {@code [elements]}: of this process's tokens before a reduction, over all processes after it. */
    public Tensor wholeGradient() {
        if (!shard.gradients()) {
            return gradient;
        }
        openGradient();
        return Objects.requireNonNull(wholeGradient);
    }

    /**
     * Receives this process's shard of the reduced gradient. If gradients are sharded, the shard holds one backward pass:
     * this adds it to the shard of earlier passes and frees the full gradient. Else the shard holds the whole step.
     *
     * @param piece {@code [elements / processes]} in the accumulation type
     */
    public void addReduced(Tensor piece) {
        if (!shard.gradients()) {
            own(gradient).copy(piece);
        } else if (reduced) {
            gradient.addInPlace(piece);
        } else {
            gradient.copy(piece);
            reduced = true;
        }
        closeGradient();
    }

    /** Allocates a sharded group's full gradient before the first contribution of a backward pass. */
    synchronized void openGradient() {
        if (!shard.gradients() || gradientScope != null) {
            return;
        }
        Scope opened = Scope.detached();
        try (Scope _ = Scope.open()) {
            Tensor whole = opened.keep(Tensor.zeros(gradient.dtype(), gradient.device(), elements));
            parameters.forEach(parameter -> parameter.gradientHandle().shareMemoryOf(view(whole, parameter)));
            wholeGradient = whole;
        }
        gradientScope = opened;
        parameters.forEach(Parameter::startStep);
    }

    private void closeGradient() {
        Scope opened = gradientScope;
        if (opened != null) {
            detach(gradient.dtype(), Parameter::gradientHandle);
            opened.close();
            gradientScope = null;
            wholeGradient = null;
        }
    }

    private void detach(DType type, Function<Parameter, Tensor> handle) {
        try (Scope _ = Scope.open()) {
            parameters.forEach(
                    parameter -> handle.apply(parameter).shareMemoryOf(Tensor.empty(type, master.device(), 0)));
        }
    }

    // Events: called by a tape and by Parameters

    /** Announces that a section is about to use the group. Returns when the working copy is complete. */
    public void acquire() {
        if (users == 0) {
            sync.acquire(this);
        }
        users++;
    }

    /** Ends a use that {@link #acquire} announced. */
    public void release() {
        if (--users == 0) {
            sync.release(this);
        }
    }

    /** Announces that the current backward pass has computed the group's gradient, which can now be reduced. */
    public void ready() {
        sync.ready(this);
    }

    void startGradients() {
        // A failed pass leaves contributions, and collectives that still use them.
        sync.reset(this);
        closeGradient();
        parameters.forEach(Parameter::startStep);
        reduced = false;
    }

    /** Frees the full working copy and the full gradient, which a failed pass may have left. */
    void close() {
        try {
            sync.reset(this);
        } finally {
            closeWork();
            closeGradient();
        }
    }

    void finishGradients() {
        zeroUnwritten();
        sync.finish(this);
        if (shard.gradients() && !reduced) {
            gradient.zero();
        }
    }

    /** Sets the gradients of parameters without contributions to zero. */
    public void zeroUnwritten() {
        if (shard.gradients()) {
            return; // openGradient fills the full gradient with zeros
        }
        for (Parameter parameter : parameters) {
            if (!parameter.written()) {
                parameter.gradient().zero();
                parameter.entriesWritten();
            }
        }
    }
}
