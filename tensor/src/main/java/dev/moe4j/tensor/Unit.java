package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A group of parameters in one flat buffer per purpose: master, gradient, a working copy in the compute type, and
 * whatever an optimizer keeps. The optimizer, a collective or a checkpoint then handles a unit in one call. Decayed
 * parameters come first, so that weight decay is a range.
 */
public final class Unit {

    /** Parameters begin at multiples of this many elements: 64 bytes in the narrowest type. */
    static final int ALIGNMENT = 32;

    private final String name;
    private final Scope scope;
    private final Tensor master;
    private final Tensor work;
    private final Tensor gradient;
    private final long decayedElements;
    private final List<Parameter> parameters = new ArrayList<>();
    private final Map<String, Tensor> states = new LinkedHashMap<>();

    Unit(String name, List<Parameter.Spec> specs, Precision precision, Device device, Scope scope) {
        this.name = name;
        this.scope = scope;
        List<Parameter.Spec> ordered = new ArrayList<>(specs);
        ordered.sort(Comparator.comparing((Parameter.Spec spec) -> !spec.decayed()));
        long total = 0;
        long decayed = 0;
        for (Parameter.Spec spec : ordered) {
            total += aligned(spec.elements());
            decayed = spec.decayed() ? total : decayed;
        }
        this.decayedElements = decayed;
        try (Scope _ = Scope.open()) {
            master = scope.keep(Tensor.zeros(precision.master(), device, total));
            gradient = scope.keep(Tensor.zeros(precision.accumulate(), device, total));
            work = precision.compute() == precision.master()
                    ? master
                    : scope.keep(Tensor.zeros(precision.compute(), device, total));
            long offset = 0;
            for (Parameter.Spec spec : ordered) {
                long[] shape = spec.shape().stream().mapToLong(Long::longValue).toArray();
                parameters.add(new Parameter(
                        spec,
                        this,
                        offset,
                        view(master, offset, spec, shape),
                        scope.keep(view(work, offset, spec, shape).detach().requireGradient()),
                        view(gradient, offset, spec, shape)));
                offset += aligned(spec.elements());
            }
        }
    }

    private Tensor view(Tensor flat, long offset, Parameter.Spec spec, long[] shape) {
        return scope.keep(flat.narrow(0, offset, spec.elements()).view(shape));
    }

    /** The elements that a parameter of that size takes in its unit's buffers. */
    public static long aligned(long elements) {
        return Math.ceilDiv(elements, (long) ALIGNMENT) * ALIGNMENT;
    }

    public String name() {
        return name;
    }

    public List<Parameter> parameters() {
        return List.copyOf(parameters);
    }

    /** All parameters' values, {@code [elements]} in the master type, zero between parameters. */
    public Tensor master() {
        return master;
    }

    /** All parameters' gradients, {@code [elements]}, zero between parameters. */
    public Tensor gradient() {
        return gradient;
    }

    /** How many of the first elements weight decay applies to when it is limited to matrices. */
    public long decayedElements() {
        return decayedElements;
    }

    /** A buffer that the optimizer keeps beside the parameters, {@code [elements]}; zero at first. */
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

    /** The same slice of a flat buffer of this unit that the parameter has, in its shape. */
    public Tensor view(Tensor flat, Parameter parameter) {
        long[] shape =
                parameter.spec().shape().stream().mapToLong(Long::longValue).toArray();
        return flat.narrow(0, parameter.offset(), parameter.spec().elements()).view(shape);
    }

    /** Brings the working copy up to date with the master. */
    public void refresh() {
        if (work != master) {
            work.copy(master);
        }
    }
}
