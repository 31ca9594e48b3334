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
 * Records the sections of a model's forward pass and runs their backward passes in reverse order.
 *
 * <p>A tape replaces custom autograd functions, which Java cannot define in libtorch. Each section runs on detached inputs.
 * {@link #backward} visits the sections in reverse. For each section it either asks libtorch's autograd for the gradients
 * or calls the section's own backward pass, and it sums each value's gradient over the value's consumers. A section's saved
 * tensors are freed as soon as its backward pass has ended.
 *
 * <p>Activation recomputation (gradient checkpointing, Chen et al. 2016): with {@link Retention#RECOMPUTE} the tensors that
 * a section saved are freed after its forward pass, which runs again just before the backward pass. The section's outputs
 * can then be {@linkplain #drop dropped} too, until the backward pass needs them.
 *
 * <p>The tape tells each {@link ParameterGroup} when a section uses it, and when the backward pass has finished its
 * gradient. A sharded group (ZeRO) then gathers its parameters or reduces its gradient.
 */
public final class Tape implements AutoCloseable {

    /**
     * Receives the time of each section: on the CPU as soon as the section has run, on CUDA at the end of the backward pass
     * or when the tape closes.
     */
    public interface Timer {
        void forward(String section, long nanoseconds);

        void backward(String section, long nanoseconds);
    }

    /** Receives the results of each section as soon as they are computed, such as to find the first NaN. */
    public interface Inspector {
        /** Receives a floating-point output of a section's forward pass. */
        void forward(String section, Tensor output);

        /** Receives an input's gradient after a section's backward pass, summed over the consumers visited so far. */
        void backward(String section, Tensor gradient);
    }

    /** How a tape provides a section's saved tensors to the backward pass. */
    public enum Retention {
        /** The tensors stay in memory. */
        KEEP,
        /** Activation recomputation: the forward pass, which must be deterministic, runs again during backward. */
        RECOMPUTE
    }

    private final Scope scope = Scope.detached();
    private final List<SectionRun> runs = new ArrayList<>();
    private final boolean recording;
    private final @Nullable Timer timer;
    private final SectionClock clock = new SectionClock();
    private final @Nullable Inspector inspector;
    private boolean backwardDone;

    private Tape(boolean recording, @Nullable Timer timer, @Nullable Inspector inspector) {
        this.recording = recording;
        this.timer = timer;
        this.inspector = inspector;
    }

    /** A tape for training, which records sections for {@link #backward}. */
    public static Tape recording() {
        return new Tape(true, null, null);
    }

    /** A tape for training that reports the time of each section. */
    public static Tape recording(@Nullable Timer timer) {
        return new Tape(true, timer, null);
    }

    /** A tape for training that passes the results of each section to an inspector. */
    public static Tape inspected(Inspector inspector) {
        return new Tape(true, null, inspector);
    }

    /** A tape for evaluation, without gradients and saved tensors. */
    public static Tape inference() {
        return new Tape(false, null, null);
    }

    /** Makes a value without a gradient, such as token ids. The tape takes ownership of the tensor. */
    public Value constant(Tensor tensor) {
        return new Value(scope.keep(tensor), false, null);
    }

    /** Makes a value with a gradient, which {@link #gradient} returns. The tape takes ownership of the tensor. */
    public Value variable(Tensor tensor) {
        return new Value(scope.keep(tensor), true, null);
    }

    /** Records numbers for the host, which must read them before the tape closes. */
    public DeferredScalars note(Tensor tensor) {
        return DeferredScalars.of(tensor, scope);
    }

    /** Runs a section and returns its first output. */
    public Value run(Section section, Value... inputs) {
        return run(Retention.KEEP, section, inputs);
    }

    /** Runs a section and returns its first output. */
    public Value run(Retention retention, Section section, Value... inputs) {
        return runAll(retention, section, inputs)[0];
    }

    /** Runs a section and returns its outputs. Only floating-point outputs have gradients. */
    public Value[] runAll(Section section, Value... inputs) {
        return runAll(Retention.KEEP, section, inputs);
    }

    /** Runs a section and returns its outputs. Only floating-point outputs have gradients. */
    public Value[] runAll(Retention retention, Section section, Value... inputs) {
        Device device = timer == null ? Device.CPU : inputs[0].tensor().device();
        long start = timer == null ? 0 : SectionClock.start(device);
        SectionRun run = new SectionRun(section, inputs, recording);
        try (AcquiredGroups _ = AcquiredGroups.of(run.groups())) {
            forward(run, retention, device);
            inspectOutputs(run);
            if (!recording || retention == Retention.RECOMPUTE) {
                run.free();
            }
        } catch (RuntimeException | Error e) {
            run.free();
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
                        recording && retention == Retention.RECOMPUTE ? () -> recompute(run) : null);
            }
            run.setResults(values, device);
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
     * Frees values that no further section's forward pass will use. If the backward pass needs a dropped value, the section
     * that computed it runs again. A recording tape therefore drops only outputs of recomputed sections, and keeps other
     * values. A tape for inference drops all of the given values.
     */
    public void drop(Value... values) {
        for (Value value : values) {
            if (!recording || value.recomputable()) {
                value.drop();
            }
        }
    }

    /**
     * Runs the backward pass. Adds the gradients of parameters to their groups, which gives gradient accumulation over
     * micro-batches.
     *
     * @param roots scalars; the loss is their sum
     * @throws TensorException if this tape does not record
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
        runs.forEach(run -> run.groups().forEach(group -> uses.merge(group, 1, Integer::sum)));
        for (SectionRun run : runs.reversed()) {
            if (Arrays.stream(run.outputs()).anyMatch(output -> output.gradient() != null)) {
                backward(run);
            }
            run.free();
            for (ParameterGroup group : run.groups()) {
                if (uses.merge(group, -1, Integer::sum) == 0) {
                    group.ready();
                }
            }
            // All consumers have been visited, so a recomputed output is not needed any more.
            Arrays.stream(run.outputs()).filter(Value::dropped).forEach(Value::drop);
        }
        runs.clear();
        backwardDone = true;
        clock.flush();
    }

    /** The gradient of a {@link #variable}, after {@link #backward}; null if the loss does not depend on it. */
    public @Nullable Tensor gradient(Value value) {
        return value.gradient();
    }

    @Override
    public void close() {
        runs.forEach(SectionRun::free);
        runs.clear();
        scope.close();
        clock.flush();
    }

    /** Runs the forward pass of a recomputed section again, which restores its dropped outputs. */
    private void recompute(SectionRun run) {
        if (backwardDone) {
            throw new TensorException(run.section().name() + ": its outputs were freed by the backward pass");
        }
        try (AcquiredGroups _ = AcquiredGroups.of(run.groups());
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
        try (AcquiredGroups _ = AcquiredGroups.of(run.groups());
                Scope _ = Scope.open()) {
            if (!run.hasSaved()) {
                recompute(run);
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

    /** Adds to a value's gradient. Not in place, because one tensor may be the gradient of several values. */
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
