package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/** All parameters of a model, in units. Owns their memory. */
public final class Parameters implements AutoCloseable {

    private final Scope scope = Scope.detached();
    private final Device device;
    private final Precision precision;
    private final List<Unit> units = new ArrayList<>();
    private final Set<Unit> frozen = new HashSet<>();
    private final Map<String, Parameter> byName = new LinkedHashMap<>();

    public Parameters(Precision precision, Device device) {
        this.precision = precision;
        this.device = device;
    }

    /** Adds a unit with the run's precision. */
    public Unit add(String name, List<Parameter.Spec> specs) {
        return add(name, specs, precision);
    }

    /** Adds a unit with a precision of its own, such as a router that computes in the master type. */
    public Unit add(String name, List<Parameter.Spec> specs, Precision unitPrecision) {
        Unit unit = new Unit(name, specs, unitPrecision, device, scope);
        for (Parameter parameter : unit.parameters()) {
            if (byName.put(parameter.name(), parameter) != null) {
                throw new TensorException("two parameters are called " + parameter.name());
            }
        }
        units.add(unit);
        return unit;
    }

    public List<Unit> units() {
        return List.copyOf(units);
    }

    /**
     * Leaves these units as they are from now on: no update changes them, and their gradients count in no norm.
     *
     * @param which tells them
     */
    public void freeze(Predicate<Unit> which) {
        units.stream().filter(which).forEach(frozen::add);
    }

    /** The units that training changes: all but those that are {@link #freeze frozen}. */
    public List<Unit> trained() {
        return units.stream().filter(unit -> !frozen.contains(unit)).toList();
    }

    public Precision precision() {
        return precision;
    }

    public Device device() {
        return device;
    }

    /** The parameter of that name. */
    public Parameter get(String name) {
        Parameter parameter = byName.get(name);
        if (parameter == null) {
            throw new TensorException("no parameter is called " + name);
        }
        return parameter;
    }

    /** All parameters, unit by unit. */
    public List<Parameter> all() {
        return units.stream().flatMap(unit -> unit.parameters().stream()).toList();
    }

    /** Elements over all parameters, without the padding between them. */
    public long elements() {
        return all().stream()
                .mapToLong(parameter -> parameter.spec().elements())
                .sum();
    }

    /** Gives every part its first values, each from the key of its own name, whatever the layout. */
    public void initialize(RandomKey key) {
        for (Parameter parameter : all()) {
            try (Scope _ = Scope.open()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    parameter
                            .spec()
                            .initialization()
                            .fill(
                                    parameter.part(parameter.master(), i),
                                    key.fold(parameter.spec().parts().get(i)));
                }
            }
        }
        refresh();
    }

    /** Brings all working copies up to date with the masters: once after each update. */
    public void refresh() {
        units.forEach(Unit::refresh);
    }

    /** Begins a step: the next gradient of each parameter is written, not added. */
    public void startGradients() {
        all().forEach(Parameter::startStep);
    }

    /** Ends a step's backward passes: parameters that nothing used get a gradient of zero. */
    public void finishGradients() {
        for (Parameter parameter : all()) {
            if (!parameter.written()) {
                parameter.gradient().zero();
            }
        }
    }

    @Override
    public void close() {
        scope.close();
    }
}
