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
 * A group of parameters in one flat buffer per purpose: master, gradient, a working copy in the compute type, and
 * whatever an optimizer keeps. The optimizer, a collective or a checkpoint then handles a unit in one call. Decayed
 * parameters come first, so that weight decay is a range.
 *
 * <p>Where several processes hold a unit, buffers are padded so that they can be cut into equal pieces, and a process may
 * keep its own piece only of some of them ({@link ShardSpec}). The others' pieces of the working copy are then there between
 * {@link #acquire} and {@link #release} only, and those of the gradient from the first contribution of a backward pass to
 * its reduction.
 */
public final class ParameterGroup {

    /** Parameters begin at multiples of this many elements: 64 bytes in the narrowest type. */
    static final int ALIGNMENT = 32;

    private final String name;
    private final Scope scope;
    private final ShardSpec share;
    private final ShardSync keeper;
    private final long elements;
    private final long decayed;
    private final Tensor master;
    /** The whole working copy, or the own piece of it. */
    private final Tensor work;
    /** The whole gradient, or the own piece of it. */
    private final Tensor gradient;

    private final List<Parameter> parameters = new ArrayList<>();
    private final Map<String, Tensor> states = new LinkedHashMap<>();
    private int users;
    private boolean reduced;
    private @Nullable Scope gathered;
    private @Nullable Tensor wholeWork;
    private @Nullable Scope contributed;
    private @Nullable Tensor wholeGradient;

    ParameterGroup(
            String name,
            List<Parameter.Spec> specs,
            Precision precision,
            Device device,
            ShardSpec share,
            ShardSync keeper,
            Scope scope) {
        this.name = name;
        this.share = share;
        this.keeper = keeper;
        this.scope = scope;
        List<Parameter.Spec> ordered = new ArrayList<>(specs);
        ordered.sort(Comparator.comparing((Parameter.Spec spec) -> !spec.decayed()));
        long total = 0;
        long decays = 0;
        for (Parameter.Spec spec : ordered) {
            total += aligned(spec.elements());
            decays = spec.decayed() ? total : decays;
        }
        this.elements = padded(total, share.count());
        this.decayed = decays;
        try (Scope _ = Scope.open()) {
            master = zeros(precision.master(), device, share.states());
            gradient = zeros(precision.accumulate(), device, share.gradients());
            work = precision.compute() == precision.master() && share.states() == share.work()
                    ? master
                    : zeros(precision.compute(), device, share.work());
            long offset = 0;
            for (Parameter.Spec spec : ordered) {
                parameters.add(new Parameter(
                        spec,
                        this,
                        offset,
                        share.states() ? null : scope.keep(view(master, offset, spec)),
                        scope.keep(handle(work, share.work(), offset, spec).requireGradient()),
                        scope.keep(handle(gradient, share.gradients(), offset, spec))));
                offset += aligned(spec.elements());
            }
        }
    }

    private Tensor zeros(DType type, Device device, boolean piece) {
        return scope.keep(Tensor.zeros(type, device, piece ? elements / share.count() : elements));
    }

    /** A view of the buffer, or a tensor that will become one. */
    private static Tensor handle(Tensor buffer, boolean piece, long offset, Parameter.Spec spec) {
        return piece
                ? Tensor.empty(buffer.dtype(), buffer.device(), 0)
                : view(buffer, offset, spec).detach();
    }

    private static Tensor view(Tensor flat, long offset, Parameter.Spec spec) {
        return flat.narrow(0, offset, spec.elements()).view(spec.dimensions());
    }

    /** The elements that a parameter of that size takes in its unit's buffers. */
    public static long aligned(long elements) {
        return padded(elements, 1);
    }

    /** The elements of the buffers of a unit whose parameters take so many, and which so many processes hold. */
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

    /** What of the unit this process keeps. */
    public ShardSpec share() {
        return share;
    }

    /** Elements of the whole unit, padding included. */
    public long elements() {
        return elements;
    }

    /** The master values that this process keeps, {@code [elements]} or the own piece; zero between parameters. */
    public Tensor master() {
        return master;
    }

    /** The gradient of what {@link #master} has; zero between parameters. */
    public Tensor gradient() {
        return share.states() ? ownGradient() : gradient;
    }

    /** The gradient of the own piece, {@code [elements / processes]}. */
    public Tensor ownGradient() {
        return share.gradients() ? gradient : own(gradient);
    }

    /** How many of the first elements of {@link #master} weight decay applies to when it is limited to matrices. */
    public long decayedElements() {
        return share.states() ? Math.clamp(decayed - ownStart(), 0, elements / share.count()) : decayed;
    }

    /** A buffer that the optimizer keeps beside {@link #master}, of its size; zero at first. */
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

    /** The same slice of a flat buffer of this whole unit that the parameter has, in its shape. */
    public Tensor view(Tensor flat, Parameter parameter) {
        return view(flat, parameter.offset(), parameter.spec());
    }

    /**
     * Writes what this process keeps of {@link #master} or a state.
     *
     * @param kept the master or a state
     * @param fill writes the whole unit's values into a buffer of zeros {@code [elements]}
     */
    public void write(Tensor kept, Consumer<Tensor> fill) {
        if (!share.states()) {
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
        return elements / share.count() * share.index();
    }

    private Tensor own(Tensor whole) {
        return share.count() == 1 ? whole : whole.narrow(0, ownStart(), elements / share.count());
    }

    /** Brings the working copy up to date with the master. */
    public void refresh() {
        if (work != master) {
            try (Scope _ = Scope.open()) {
                ownOf(work, share.states() && !share.work()).copy(master);
            }
        }
        keeper.refreshed(this);
    }

    private Tensor ownOf(Tensor buffer, boolean whole) {
        return whole ? own(buffer) : buffer;
    }

    // What a keeper brings together

    /** The whole working copy, {@code [elements]} in the compute type. */
    public Tensor wholeWork() {
        if (!share.work()) {
            return work;
        }
        if (wholeWork == null) {
            throw new TensorException(name + ": its parameters are shared out and have not been gathered");
        }
        return wholeWork;
    }

    /** The own piece of the working copy, in the innermost scope or the unit's own. */
    public Tensor ownWork() {
        return ownOf(work, !share.work());
    }

    /** Takes memory for the whole working copy, which is to be written; parameters then have it. */
    public void openWork() {
        Scope opened = Scope.detached();
        try (Scope _ = Scope.open()) {
            Tensor whole = opened.keep(Tensor.empty(work.dtype(), work.device(), elements));
            gathered = opened;
            wholeWork = whole;
            parameters.forEach(parameter -> parameter.tensor().pointTo(view(whole, parameter)));
        }
    }

    /** Gives that memory back. */
    public void closeWork() {
        Scope opened = gathered;
        if (opened != null) {
            detach(work.dtype(), Parameter::tensor);
            opened.close();
            gathered = null;
            wholeWork = null;
        }
    }

    /** The whole gradient of this process's tokens, or their sum over the processes after a reduction. */
    public Tensor wholeGradient() {
        if (!share.gradients()) {
            return gradient;
        }
        openGradient();
        return Objects.requireNonNull(wholeGradient);
    }

    /**
     * Takes the reduced own piece of the gradient: of one backward pass where gradients are shared out, whose whole
     * then gives its memory back, else of all.
     *
     * @param piece {@code [elements / processes]} in the accumulation type
     */
    public void addReduced(Tensor piece) {
        if (!share.gradients()) {
            own(gradient).copy(piece);
        } else if (reduced) {
            gradient.addInPlace(piece);
        } else {
            gradient.copy(piece);
            reduced = true;
        }
        closeGradient();
    }

    /** Takes memory for the whole gradient where the first contribution of a backward pass comes. */
    synchronized void openGradient() {
        if (!share.gradients() || contributed != null) {
            return;
        }
        Scope opened = Scope.detached();
        try (Scope _ = Scope.open()) {
            Tensor whole = opened.keep(Tensor.zeros(gradient.dtype(), gradient.device(), elements));
            parameters.forEach(parameter -> parameter.gradientHandle().pointTo(view(whole, parameter)));
            wholeGradient = whole;
        }
        contributed = opened;
        parameters.forEach(Parameter::startStep);
    }

    private void closeGradient() {
        Scope opened = contributed;
        if (opened != null) {
            detach(gradient.dtype(), Parameter::gradientHandle);
            opened.close();
            contributed = null;
            wholeGradient = null;
        }
    }

    private void detach(DType type, Function<Parameter, Tensor> handle) {
        try (Scope _ = Scope.open()) {
            parameters.forEach(parameter -> handle.apply(parameter).pointTo(Tensor.empty(type, master.device(), 0)));
        }
    }

    // What a tape and a step tell

    public void acquire() {
        if (users == 0) {
            keeper.acquire(this);
        }
        users++;
    }

    public void release() {
        if (--users == 0) {
            keeper.release(this);
        }
    }

    public void ready() {
        keeper.ready(this);
    }

    void startGradients() {
        // A pass that failed leaves its contributions behind, and exchanges that still use them.
        keeper.reset(this);
        closeGradient();
        parameters.forEach(Parameter::startStep);
        reduced = false;
    }

    /** Frees what a pass that failed has left: the whole working copy and the whole gradient. */
    void close() {
        try {
            keeper.reset(this);
        } finally {
            closeWork();
            closeGradient();
        }
    }

    void finishGradients() {
        zeroUnwritten();
        keeper.finish(this);
        if (share.gradients() && !reduced) {
            gradient.zero();
        }
    }

    /** Gives parameters that nothing used so far a gradient of zero. */
    public void zeroUnwritten() {
        if (share.gradients()) {
            return; // its whole gradient begins with zeros
        }
        for (Parameter parameter : parameters) {
            if (!parameter.written()) {
                parameter.gradient().zero();
                parameter.entriesWritten();
            }
        }
    }
}
