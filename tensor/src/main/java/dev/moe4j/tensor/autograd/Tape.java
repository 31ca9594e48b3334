package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import dev.moe4j.tensor.parameter.ParameterGroup;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
    private final List<SectionRun> runs = new ArrayList<>();
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
    public DeferredScalars note(Tensor tensor) {
        return DeferredScalars.of(tensor, scope);
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
        SectionRun run = new SectionRun(section, inputs, recording);
        try (AcquiredGroups _ = AcquiredGroups.of(run.units())) {
            forward(run, retention, device);
            inspectOutputs(run);
            if (!recording || retention == Retention.RECOMPUTE) {
                run.forget();
            }
        } catch (RuntimeException | Error e) {
            run.forget();
            throw e;
        }
        if (recording) {
            runs.add(run);
        }
        Timer listener = timer;
        if (listener != null) {
            clock.stop(device, start, nanoseconds -> listener.forward(section.name(), nanoseconds));
        }
        return run.outputs();
    }

    private void forward(SectionRun run, Retention retention, Device device) {
        try (Scope _ = Scope.open()) {
            Tensor[] outputs = run.forward();
            Value[] values = new Value[outputs.length];
            for (int i = 0; i < outputs.length; i++) {
                values[i] = new Value(
                        scope.keep(outputs[i]),
                        recording && run.differentiable(i, outputs[i]),
                        recording && retention == Retention.RECOMPUTE ? () -> runAgain(run) : null);
            }
            run.gave(values, device);
        }
    }

    private void inspectOutputs(SectionRun run) {
        if (inspector == null) {
            return;
        }
        try (Scope _ = Scope.open()) {
            for (Value output : run.outputs()) {
                if (output.tensor().dtype().floating()) {
                    inspector.forward(run.section().name(), output.tensor());
                }
            }
        }
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
        Map<ParameterGroup, Integer> uses = new HashMap<>();
        runs.forEach(run -> run.units().forEach(unit -> uses.merge(unit, 1, Integer::sum)));
        for (SectionRun run : runs.reversed()) {
            if (Arrays.stream(run.outputs()).anyMatch(output -> output.gradient() != null)) {
                backward(run);
            }
            run.forget();
            for (ParameterGroup unit : run.units()) {
                if (uses.merge(unit, -1, Integer::sum) == 0) {
                    unit.ready();
                }
            }
            // All consumers are behind: what was had again for them is not wanted any more.
            Arrays.stream(run.outputs()).filter(Value::dropped).forEach(Value::drop);
        }
        runs.clear();
        walked = true;
        clock.flush();
    }

    /** The gradient of a {@link #variable}, after {@link #backward}; null where nothing depended on it. */
    public @Nullable Tensor gradient(Value value) {
        return value.gradient();
    }

    @Override
    public void close() {
        runs.forEach(SectionRun::forget);
        runs.clear();
        scope.close();
        clock.flush();
    }

    /** Runs a recomputed section forward once more, which brings back the values that were dropped. */
    private void runAgain(SectionRun run) {
        if (walked) {
            throw new TensorException(run.section().name() + ": its results were freed by the backward pass");
        }
        try (AcquiredGroups _ = AcquiredGroups.of(run.units());
                Scope _ = Scope.open()) {
            Tensor[] outputs = run.forward();
            for (int i = 0; i < outputs.length; i++) {
                if (run.outputs()[i].dropped()) {
                    run.outputs()[i].restore(scope.keep(outputs[i]));
                }
            }
        }
    }

    private void backward(SectionRun run) {
        long start = timer == null ? 0 : SectionClock.start(run.device());
        try (AcquiredGroups _ = AcquiredGroups.of(run.units());
                Scope _ = Scope.open()) {
            if (!run.remembers()) {
                runAgain(run);
            }
            @Nullable Tensor[] gradients = run.backward();
            for (int i = 0; i < gradients.length; i++) {
                add(run.inputs()[i], gradients[i]);
            }
            if (inspector != null) {
                for (Value input : run.inputs()) {
                    Tensor gradient = input.gradient();
                    if (gradient != null) {
                        inspector.backward(run.section().name(), gradient);
                    }
                }
            }
            for (Value output : run.outputs()) {
                Tensor gradient = output.gradient();
                if (gradient != null) {
                    gradient.close();
                    output.gradient(null);
                }
            }
        }
        Timer listener = timer;
        if (listener != null) {
            clock.stop(
                    run.device(),
                    start,
                    nanoseconds -> listener.backward(run.section().name(), nanoseconds));
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
}
