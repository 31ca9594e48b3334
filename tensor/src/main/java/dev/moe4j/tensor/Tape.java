package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * A model's run, cut into sections. Java cannot define libtorch's autograd functions, and with a tape need not: each
 * section runs on inputs that are cut off from the graph; {@link #backward} walks the sections in reverse, sums the
 * gradients of each value over its consumers, and either asks libtorch for one section's gradients or calls the
 * section's own backward pass. What a section saved is freed as soon as its backward pass is done.
 *
 * <p>A section may be recomputed (Chen et al. 2016): what it saved is freed at once, and its forward pass runs again
 * just before its backward pass. What it gave may then be {@linkplain #drop dropped} as well, until backward wants it.
 *
 * <p>Units of parameters hear when sections use them and when backward has passed their last use: processes that share
 * units out then gather or reduce them.
 */
public final class Tape implements AutoCloseable {

    /**
     * Hears how long each section took: on the CPU as soon as it has run, on CUDA at the end of the backward pass or when
     * the tape closes.
     */
    public interface Timer {
        void forward(String section, long nanoseconds);

        void backward(String section, long nanoseconds);
    }

    /** Sees what sections compute, each as soon as it has: to find the one that went wrong. */
    public interface Inspector {
        /** Sees an output of a section's forward pass that is of floating type. */
        void forward(String section, Tensor output);

        /** Sees the gradient of an input after a section's backward pass, summed over the consumers so far. */
        void backward(String section, Tensor gradient);
    }

    /** What a tape keeps of a section's forward pass. */
    public enum Retention {
        /** What its backward pass needs. */
        KEEP,
        /** Nothing: the forward pass, which must give the same again, runs once more in backward. */
        RECOMPUTE
    }

    private final Scope scope = Scope.detached();
    private final List<Entry> entries = new ArrayList<>();
    private final boolean recording;
    private final @Nullable Timer timer;
    private final SectionClock clock = new SectionClock();
    private final @Nullable Inspector inspector;
    private boolean walked;

    private Tape(boolean recording, @Nullable Timer timer, @Nullable Inspector inspector) {
        this.recording = recording;
        this.timer = timer;
        this.inspector = inspector;
    }

    /** A tape for training: remembers what backward needs. */
    public static Tape recording() {
        return new Tape(true, null, null);
    }

    /** A tape for training that reports the time of each section. */
    public static Tape recording(@Nullable Timer timer) {
        return new Tape(true, timer, null);
    }

    /** A tape for training that shows what each section computes. */
    public static Tape inspected(Inspector inspector) {
        return new Tape(true, null, inspector);
    }

    /** A tape for evaluation: no gradients, nothing saved. */
    public static Tape inference() {
        return new Tape(false, null, null);
    }

    /** Brings a tensor onto the tape without a gradient, such as token ids. The tape owns it from now on. */
    public Value constant(Tensor tensor) {
        return new Value(scope.keep(tensor), false, null);
    }

    /** Brings a tensor onto the tape whose gradient {@link #gradient} gives after backward. */
    public Value variable(Tensor tensor) {
        return new Value(scope.keep(tensor), true, null);
    }

    /** Notes numbers that are wanted on the host while the tape lives. */
    public Figure note(Tensor tensor) {
        return Figure.of(tensor, scope);
    }

    /** Runs a section and returns its only output. */
    public Value run(Section section, Value... inputs) {
        return run(Retention.KEEP, section, inputs);
    }

    /** Runs a section and returns its only output. */
    public Value run(Retention retention, Section section, Value... inputs) {
        return runAll(retention, section, inputs)[0];
    }

    /** Runs a section and returns its outputs. Outputs of integer type carry no gradient. */
    public Value[] runAll(Section section, Value... inputs) {
        return runAll(Retention.KEEP, section, inputs);
    }

    /** Runs a section and returns its outputs. Outputs of integer type carry no gradient. */
    public Value[] runAll(Retention retention, Section section, Value... inputs) {
        Device device = timer == null ? Device.CPU : inputs[0].tensor().device();
        long start = timer == null ? 0 : SectionClock.start(device);
        Entry entry = new Entry(section, inputs);
        entry.units.forEach(Unit::acquire);
        try (Scope _ = Scope.open()) {
            Tensor[] outputs = forward(entry);
            entry.device = device;
            entry.outputs = new Value[outputs.length];
            for (int i = 0; i < outputs.length; i++) {
                entry.outputs[i] = new Value(
                        scope.keep(outputs[i]),
                        recording && entry.differentiable(i, outputs[i]),
                        recording && retention == Retention.RECOMPUTE ? () -> runAgain(entry) : null);
            }
        }
        if (inspector != null) {
            try (Scope _ = Scope.open()) {
                for (Value output : entry.outputs) {
                    if (output.tensor().dtype().floating()) {
                        inspector.forward(section.name(), output.tensor());
                    }
                }
            }
        }
        if (recording) {
            entries.add(entry);
        }
        if (!recording || retention == Retention.RECOMPUTE) {
            entry.forget();
        }
        entry.units.forEach(Unit::release);
        Timer listener = timer;
        if (listener != null) {
            clock.stop(device, start, nanoseconds -> listener.forward(section.name(), nanoseconds));
        }
        return entry.outputs;
    }

    /**
     * Frees values that no section will be run on any more, until backward wants them: then the sections that gave them
     * run again. On a tape that records only the results of recomputed sections can be had again, and others stay.
     */
    public void drop(Value... values) {
        for (Value value : values) {
            if (!recording || value.repeatable()) {
                value.drop();
            }
        }
    }

    /**
     * Computes all gradients. Each root is a scalar that the loss is the sum of; parameters' gradients are added to
     * their units.
     */
    public void backward(Value... roots) {
        if (!recording) {
            throw new TensorException("backward: this tape does not record");
        }
        try (Scope _ = Scope.open()) {
            for (Value root : roots) {
                add(
                        root,
                        Tensor.full(
                                1,
                                root.tensor().dtype(),
                                root.tensor().device(),
                                root.tensor().shape()));
            }
        }
        Map<Unit, Integer> uses = new HashMap<>();
        entries.forEach(entry -> entry.units.forEach(unit -> uses.merge(unit, 1, Integer::sum)));
        for (Entry entry : entries.reversed()) {
            if (Arrays.stream(entry.outputs).anyMatch(output -> output.gradient() != null)) {
                backward(entry);
            }
            entry.forget();
            for (Unit unit : entry.units) {
                if (uses.merge(unit, -1, Integer::sum) == 0) {
                    unit.ready();
                }
            }
            // All consumers are behind: what was had again for them is not wanted any more.
            Arrays.stream(entry.outputs).filter(Value::dropped).forEach(Value::drop);
        }
        entries.clear();
        walked = true;
        clock.flush();
    }

    /** The gradient of a {@link #variable}, after {@link #backward}; null where nothing depended on it. */
    public @Nullable Tensor gradient(Value value) {
        return value.gradient();
    }

    @Override
    public void close() {
        clock.flush();
        entries.forEach(Entry::forget);
        entries.clear();
        scope.close();
    }

    /** Runs a section forward; what its backward pass needs is saved, the results are in the innermost scope. */
    private Tensor[] forward(Entry entry) {
        entry.present = true;
        return switch (entry.section) {
            case Section.Derived derived -> forward(entry, derived);
            case Section.Written written -> forward(entry, written);
        };
    }

    private Tensor[] forward(Entry entry, Section.Derived section) {
        Tensor[] inputs = new Tensor[entry.inputs.length];
        for (int i = 0; i < inputs.length; i++) {
            Value value = entry.inputs[i];
            inputs[i] = recording && value.differentiable()
                    ? entry.saved.keep(value.tensor().detach().requireGradient())
                    : value.tensor();
        }
        GradMode.set_enabled(recording);
        Tensor[] outputs;
        try {
            outputs = section.forward(inputs);
        } finally {
            GradMode.set_enabled(false);
        }
        entry.leaves = inputs;
        entry.attached = outputs;
        Arrays.stream(outputs).forEach(entry.saved::keep);
        return Arrays.stream(outputs).map(Tensor::detach).toArray(Tensor[]::new);
    }

    private Tensor[] forward(Entry entry, Section.Written section) {
        entry.state = new Saved(entry.saved, recording, entry.inputs);
        Tensor[] inputs = Arrays.stream(entry.inputs).map(Value::tensor).toArray(Tensor[]::new);
        return section.forward(entry.state, inputs);
    }

    /** Runs a recomputed section forward once more, which brings back the values that were dropped. */
    private void runAgain(Entry entry) {
        if (walked) {
            throw new TensorException(entry.section.name() + ": its results were freed by the backward pass");
        }
        entry.saved = Scope.detached();
        entry.units.forEach(Unit::acquire);
        try (Scope _ = Scope.open()) {
            Tensor[] outputs = forward(entry);
            for (int i = 0; i < outputs.length; i++) {
                if (entry.outputs[i].dropped()) {
                    entry.outputs[i].restore(scope.keep(outputs[i]));
                }
            }
        }
        entry.units.forEach(Unit::release);
    }

    private void backward(Entry entry) {
        long start = timer == null ? 0 : SectionClock.start(entry.device);
        entry.units.forEach(Unit::acquire);
        if (!entry.present) {
            runAgain(entry);
        }
        try (Scope _ = Scope.open()) {
            switch (entry.section) {
                case Section.Derived derived -> backward(entry, derived);
                case Section.Written written -> {
                    @Nullable Tensor[] gradients = new Tensor[entry.outputs.length];
                    for (int i = 0; i < gradients.length; i++) {
                        gradients[i] = entry.outputs[i].gradient();
                    }
                    @Nullable Tensor[] results = written.backward(entry.state(), gradients);
                    for (int i = 0; i < entry.inputs.length; i++) {
                        add(entry.inputs[i], results[i]);
                    }
                }
            }
            if (inspector != null) {
                for (Value input : entry.inputs) {
                    Tensor gradient = input.gradient();
                    if (gradient != null) {
                        inspector.backward(entry.section.name(), gradient);
                    }
                }
            }
            for (Value output : entry.outputs) {
                Tensor gradient = output.gradient();
                if (gradient != null) {
                    gradient.close();
                    output.gradient(null);
                }
            }
        }
        entry.units.forEach(Unit::release);
        Timer listener = timer;
        if (listener != null) {
            clock.stop(entry.device, start, nanoseconds -> listener.backward(entry.section.name(), nanoseconds));
        }
    }

    private void backward(Entry entry, Section.Derived section) {
        List<Tensor> outputs = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        for (int i = 0; i < entry.outputs.length; i++) {
            Tensor gradient = entry.outputs[i].gradient();
            if (gradient != null && entry.outputs[i].differentiable()) {
                outputs.add(entry.attached[i]);
                gradients.add(gradient);
            }
        }
        List<Tensor> sources = new ArrayList<>();
        for (int i = 0; i < entry.inputs.length; i++) {
            if (entry.inputs[i].differentiable()) {
                sources.add(entry.leaves[i]);
            }
        }
        int fromInputs = sources.size();
        section.parameters().forEach(parameter -> sources.add(parameter.tensor()));

        @Nullable Tensor[] results = gradientsOf(section.name(), outputs, sources, gradients);
        int next = 0;
        for (Value input : entry.inputs) {
            if (input.differentiable()) {
                add(input, results[next++]);
            }
        }
        for (Parameter parameter : section.parameters()) {
            Tensor gradient = results[next++];
            if (gradient != null) {
                parameter.addGradient(gradient);
            }
        }
        if (next != fromInputs + section.parameters().size()) {
            throw new TensorException(section.name() + ": gradients and parameters do not match");
        }
    }

    private static @Nullable Tensor[] gradientsOf(
            String name, List<Tensor> outputs, List<Tensor> sources, List<Tensor> gradients) {
        // Undefined results are those that nothing depends on.
        try (TensorVector outs = Functions.vector(outputs.toArray(Tensor[]::new));
                TensorVector ins = Functions.vector(sources.toArray(Tensor[]::new));
                TensorVector grads = Functions.vector(gradients.toArray(Tensor[]::new));
                BoolOptional retain = new BoolOptional();
                TensorVector results = torch.grad(outs, ins, grads, retain, false, true)) {
            @Nullable Tensor[] tensors = new Tensor[sources.size()];
            for (int i = 0; i < tensors.length; i++) {
                org.bytedeco.pytorch.Tensor result = results.get(i);
                tensors[i] = result.defined() ? Scope.adoptCopy(result) : null;
            }
            return tensors;
        } catch (RuntimeException e) {
            throw TensorException.of("gradients of " + name, e, outputs.toArray(Tensor[]::new));
        }
    }

    /** Adds to the gradient of a value; not in place, since one tensor may be the gradient of several values. */
    private void add(Value value, @Nullable Tensor gradient) {
        if (gradient == null || !value.differentiable()) {
            return;
        }
        Tensor earlier = value.gradient();
        if (earlier == null) {
            value.gradient(scope.keep(gradient.detach()));
        } else {
            value.gradient(scope.keep(earlier.add(gradient)));
            earlier.close();
        }
    }

    /** One section's run. */
    private static final class Entry {
        private final Section section;
        private final Value[] inputs;
        private final Set<Unit> units = new LinkedHashSet<>();
        private Scope saved = Scope.detached();
        private Device device = Device.CPU;
        private Value[] outputs = {};
        private Tensor[] leaves = {};
        private Tensor[] attached = {};
        private @Nullable Saved state;
        /** Whether what the backward pass needs is there. */
        private boolean present;

        Entry(Section section, Value[] inputs) {
            this.section = section;
            this.inputs = inputs;
            section.parameters().forEach(parameter -> units.add(parameter.unit()));
        }

        boolean differentiable(int output, Tensor tensor) {
            return switch (section) {
                case Section.Derived _ -> attached[output].requiresGradient();
                case Section.Written _ -> tensor.dtype().floating();
            };
        }

        /** Frees what was saved. */
        void forget() {
            saved.close();
            leaves = new Tensor[0];
            attached = new Tensor[0];
            state = null;
            present = false;
        }

        Saved state() {
            if (state == null) {
                throw new TensorException(section.name() + " has not run forward");
            }
            return state;
        }
    }
}
