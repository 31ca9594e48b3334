package dev.moe4j.tensor.parameter;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/** All parameters of a model, in units. Owns their memory. */
public final class Parameters implements AutoCloseable {

    private final Scope scope;
    private final Device device;
    private final Precision precision;
    private final List<ParameterGroup> units = new ArrayList<>();
    private final Set<ParameterGroup> frozen = new HashSet<>();
    private final Map<String, Parameter> byName = new LinkedHashMap<>();

    public Parameters(Precision precision, Device device) {
        this(precision, device, Scope.detached());
    }

    /** Parameters whose memory a given scope owns. */
    public Parameters(Precision precision, Device device, Scope scope) {
        this.scope = scope;
        this.precision = precision;
        this.device = device;
    }

    /** Adds a unit with the run's precision. */
    public ParameterGroup add(String name, List<Parameter.Spec> specs) {
        return add(name, specs, precision);
    }

    /** Adds a unit with a precision of its own, such as a router that computes in the master type. */
    public ParameterGroup add(String name, List<Parameter.Spec> specs, Precision unitPrecision) {
        return add(name, specs, unitPrecision, ShardSpec.WHOLE, ShardSync.NONE);
    }

    /** Adds a unit that other processes hold as well. */
    public ParameterGroup add(
            String name, List<Parameter.Spec> specs, Precision unitPrecision, ShardSpec share, ShardSync keeper) {
        ParameterGroup unit = new ParameterGroup(name, specs, unitPrecision, device, share, keeper, scope);
        for (Parameter parameter : unit.parameters()) {
            if (byName.put(parameter.name(), parameter) != null) {
                throw new TensorException("two parameters are called " + parameter.name());
            }
        }
        units.add(unit);
        return unit;
    }

    public List<ParameterGroup> units() {
        return List.copyOf(units);
    }

    /**
     * Leaves these units as they are from now on: no update changes them, and their gradients count in no norm.
     *
     * @param which tells them
     */
    public void freeze(Predicate<ParameterGroup> which) {
        units.stream().filter(which).forEach(frozen::add);
    }

    /** The units that training changes: all but those that are {@link #freeze frozen}. */
    public List<ParameterGroup> trained() {
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
        write(
                ParameterGroup::master,
                (parameter, part, target) -> parameter
                        .spec()
                        .initialization()
                        .fill(target, key.fold(parameter.spec().parts().get(part))));
        refresh();
    }

    /** Gives one part of a parameter its values. */
    @FunctionalInterface
    public interface PartWriter {
        void write(Parameter parameter, int part, Tensor target);
    }

    /**
     * Writes all parts of all parameters, whatever of them this process keeps.
     *
     * @param kept which of a unit's buffers: the master or a state
     */
    public void write(Function<ParameterGroup, Tensor> kept, PartWriter writer) {
        for (ParameterGroup unit : units) {
            unit.write(kept.apply(unit), whole -> {
                for (Parameter parameter : unit.parameters()) {
                    try (Scope _ = Scope.open()) {
                        Tensor view = unit.view(whole, parameter);
                        for (int part = 0; part < parameter.spec().parts().size(); part++) {
                            writer.write(parameter, part, parameter.part(view, part));
                        }
                    }
                }
            });
        }
    }

    /** Brings all working copies up to date with the masters: once after each update. */
    public void refresh() {
        units.forEach(ParameterGroup::refresh);
    }

    /** Begins a step: the next gradient of each parameter is written, not added. */
    public void startGradients() {
        units.forEach(ParameterGroup::startGradients);
    }

    /**
     * Ends a step's backward passes: parameters that nothing used get a gradient of zero, and gradients are summed over
     * the processes.
     */
    public void finishGradients() {
        units.forEach(ParameterGroup::finishGradients);
    }

    /** Frees all units, even if one cannot wait for its exchanges. */
    @Override
    public void close() {
        close(units.iterator());
    }

    private void close(Iterator<ParameterGroup> rest) {
        if (!rest.hasNext()) {
            scope.close();
            return;
        }
        try {
            rest.next().close();
        } finally {
            close(rest);
        }
    }
}
