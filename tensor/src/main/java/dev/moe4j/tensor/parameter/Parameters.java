package dev.moe4j.tensor.parameter;

import dev.moe4j.tensor.DType;
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

/** All parameters of a model. They are stored in {@link ParameterGroup}s, whose memory this object owns. */
public final class Parameters implements AutoCloseable {

    private final Scope scope;
    private final Device device;
    private final Precision precision;
    private final List<ParameterGroup> groups = new ArrayList<>();
    private final Set<ParameterGroup> frozen = new HashSet<>();
    private final Map<String, Parameter> byName = new LinkedHashMap<>();
    private final Map<String, Buffer> buffers = new LinkedHashMap<>();

    public Parameters(Precision precision, Device device) {
        this(precision, device, Scope.detached());
    }

    /** Parameters whose memory the given scope owns. {@link #close} closes this scope. */
    public Parameters(Precision precision, Device device, Scope scope) {
        this.scope = scope;
        this.precision = precision;
        this.device = device;
    }

    /** Adds an unsharded group with this model's precision. */
    public ParameterGroup add(String name, List<Parameter.Spec> specs) {
        return add(name, specs, precision);
    }

    /** Adds an unsharded group with a different precision, such as a router that computes in the master type. */
    public ParameterGroup add(String name, List<Parameter.Spec> specs, Precision groupPrecision) {
        return add(name, specs, groupPrecision, ShardSpec.WHOLE, ShardSync.NONE);
    }

    /**
     * Adds a group that several processes hold.
     *
     * @param shard how the group is sharded
     * @param sync runs the collectives of the group
     * @throws TensorException if a parameter's name exists already
     */
    public ParameterGroup add(
            String name, List<Parameter.Spec> specs, Precision groupPrecision, ShardSpec shard, ShardSync sync) {
        ParameterGroup group = new ParameterGroup(name, specs, groupPrecision, device, shard, sync, scope);
        for (Parameter parameter : group.parameters()) {
            if (byName.put(parameter.name(), parameter) != null) {
                throw new TensorException("two parameters are called " + parameter.name());
            }
        }
        groups.add(group);
        return group;
    }

    /**
     * Adds a buffer of zeros.
     *
     * @throws TensorException if the model has a buffer or a parameter of this name
     */
    public Buffer addBuffer(String name, DType type, long... shape) {
        if (byName.containsKey(name) || buffers.containsKey(name)) {
            throw new TensorException("two parameters or buffers are called " + name);
        }
        try (Scope _ = Scope.open()) {
            Buffer buffer = new Buffer(name, scope.keep(Tensor.zeros(type, device, shape)));
            buffers.put(name, buffer);
            return buffer;
        }
    }

    /** All buffers, in the order in which they were added. */
    public List<Buffer> buffers() {
        return List.copyOf(buffers.values());
    }

    /**
     * Finds a buffer by its name.
     *
     * @throws TensorException if no buffer has this name
     */
    public Buffer buffer(String name) {
        Buffer buffer = buffers.get(name);
        if (buffer == null) {
            throw new TensorException("no buffer is called " + name);
        }
        return buffer;
    }

    public List<ParameterGroup> units() {
        return List.copyOf(groups);
    }

    /** Freezes the groups that match: updates do not change them, and the gradient norm excludes them. */
    public void freeze(Predicate<ParameterGroup> which) {
        groups.stream().filter(which).forEach(frozen::add);
    }

    /** The groups that are not {@linkplain #freeze frozen}. */
    public List<ParameterGroup> trained() {
        return groups.stream().filter(group -> !frozen.contains(group)).toList();
    }

    public Precision precision() {
        return precision;
    }

    public Device device() {
        return device;
    }

    /**
     * Finds a parameter by its name.
     *
     * @throws TensorException if no parameter has this name
     */
    public Parameter get(String name) {
        Parameter parameter = byName.get(name);
        if (parameter == null) {
            throw new TensorException("no parameter is called " + name);
        }
        return parameter;
    }

    /** All parameters, in the order of the groups. */
    public List<Parameter> all() {
        return groups.stream().flatMap(group -> group.parameters().stream()).toList();
    }

    /** The number of elements of all parameters, without padding. */
    public long elements() {
        return all().stream()
                .mapToLong(parameter -> parameter.spec().elements())
                .sum();
    }

    /**
     * Initializes all parts. Each part's random key is derived from the part's name, so the values do not depend on the
     * layout of processes.
     */
    public void initialize(RandomKey key) {
        write(
                ParameterGroup::master,
                (parameter, part, target) -> parameter
                        .spec()
                        .initialization()
                        .fill(
                                target,
                                key.fold(parameter.spec().parts().get(part).name())));
        refresh();
    }

    /** Writes the values of one part of a parameter. */
    @FunctionalInterface
    public interface PartWriter {
        void write(Parameter parameter, int part, Tensor target);
    }

    /**
     * Writes all parts of all parameters. In sharded groups this process keeps only its shard of the values.
     *
     * @param kept selects the buffer of a group: the master weights or an optimizer state
     * @param writer writes the values of each part
     */
    public void write(Function<ParameterGroup, Tensor> kept, PartWriter writer) {
        for (ParameterGroup group : groups) {
            group.write(kept.apply(group), whole -> {
                for (Parameter parameter : group.parameters()) {
                    try (Scope _ = Scope.open()) {
                        Tensor view = group.view(whole, parameter);
                        for (int part = 0; part < parameter.spec().parts().size(); part++) {
                            writer.write(parameter, part, parameter.part(view, part));
                        }
                    }
                }
            });
        }
    }

    /** Updates all working copies from the master weights. Call this after each optimizer update. */
    public void refresh() {
        groups.forEach(ParameterGroup::refresh);
    }

    /** Starts the gradient accumulation of a step: the first contribution overwrites each gradient. */
    public void startGradients() {
        groups.forEach(ParameterGroup::startGradients);
    }

    /**
     * Ends the gradient accumulation of a step. Gradients without contributions become zero. Returns when the gradients are
     * summed over the processes that hold each group.
     */
    public void finishGradients() {
        groups.forEach(ParameterGroup::finishGradients);
    }

    /** Frees all groups, even if one fails to wait for its collectives. */
    @Override
    public void close() {
        close(groups.iterator());
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
