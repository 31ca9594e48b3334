package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.ParameterGroup;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/** One run of a section on a {@link Tape}: its inputs, outputs and saved tensors. */
final class SectionRun {

    private final Section section;
    private final Value[] inputs;
    private final boolean recording;
    private final Set<ParameterGroup> groups = new LinkedHashSet<>();
    private Scope saved = Scope.detached();
    private Device device = Device.CPU;
    private Value[] outputs = {};
    private Tensor[] leaves = {};
    /** The outputs of a derived section with their autograd graph. */
    private Tensor[] recorded = {};

    private @Nullable SavedTensors state;
    private boolean hasSaved;

    /**
     * @param inputs not copied
     * @param recording whether there will be a backward pass
     */
    SectionRun(Section section, Value[] inputs, boolean recording) {
        this.section = section;
        this.inputs = inputs;
        this.recording = recording;
        section.parameters().forEach(parameter -> groups.add(parameter.unit()));
    }

    Section section() {
        return section;
    }

    Value[] inputs() {
        return inputs;
    }

    /** The groups of the section's parameters. */
    Set<ParameterGroup> groups() {
        return groups;
    }

    Value[] outputs() {
        return outputs;
    }

    Device device() {
        return device;
    }

    /** Whether the tensors that the backward pass needs are in memory. */
    boolean hasSaved() {
        return hasSaved;
    }

    /** Sets the outputs and the device that computed them. */
    void setResults(Value[] values, Device where) {
        outputs = values;
        device = where;
    }

    /** Whether an output has a gradient. Valid after the section has run. */
    boolean differentiable(int output, Tensor tensor) {
        return switch (section) {
            case Section.Autograd _ -> recorded[output].requiresGradient();
            case Section.CustomBackward _ -> tensor.dtype().floating();
        };
    }

    /** Runs the forward pass and saves tensors for the backward pass. The results belong to the innermost scope. */
    Tensor[] forward() {
        Tensor[] results = switch (section) {
            case Section.Autograd derived -> forward(derived);
            case Section.CustomBackward written -> forward(written);
        };
        hasSaved = true;
        return results;
    }

    private Tensor[] forward(Section.Autograd derived) {
        Tensor[] tensors = new Tensor[inputs.length];
        for (int i = 0; i < tensors.length; i++) {
            Value value = inputs[i];
            tensors[i] = recording && value.differentiable()
                    ? saved.keep(value.tensor().detach().requireGradient())
                    : value.tensor();
        }
        GradMode.set_enabled(recording);
        Tensor[] results;
        try {
            results = derived.forward(tensors);
        } finally {
            GradMode.set_enabled(false);
        }
        leaves = tensors;
        recorded = results;
        Arrays.stream(results).forEach(saved::keep);
        return Arrays.stream(results).map(Tensor::detach).toArray(Tensor[]::new);
    }

    private Tensor[] forward(Section.CustomBackward written) {
        SavedTensors fresh = new SavedTensors(saved, recording, inputs);
        state = fresh;
        return written.forward(fresh, Arrays.stream(inputs).map(Value::tensor).toArray(Tensor[]::new));
    }

    /**
     * Runs the backward pass. Returns the gradients of the inputs; null for an input without a gradient. Adds the gradients
     * of parameters to their groups.
     */
    @Nullable
    Tensor[] backward() {
        return switch (section) {
            case Section.Autograd derived -> backward(derived);
            case Section.CustomBackward written -> {
                SavedTensors there = state;
                if (there == null) {
                    throw new TensorException(section.name() + " has not run forward");
                }
                @Nullable Tensor[] gradients = new Tensor[outputs.length];
                for (int i = 0; i < gradients.length; i++) {
                    gradients[i] = outputs[i].gradient();
                }
                yield written.backward(there, gradients);
            }
        };
    }

    private @Nullable Tensor[] backward(Section.Autograd derived) {
        List<Tensor> roots = new ArrayList<>();
        List<Tensor> gradients = new ArrayList<>();
        for (int i = 0; i < outputs.length; i++) {
            Tensor gradient = outputs[i].gradient();
            if (gradient != null && outputs[i].differentiable()) {
                roots.add(recorded[i]);
                gradients.add(gradient);
            }
        }
        List<Tensor> sources = new ArrayList<>();
        for (int i = 0; i < inputs.length; i++) {
            if (inputs[i].differentiable()) {
                sources.add(leaves[i]);
            }
        }
        derived.parameters().forEach(parameter -> sources.add(parameter.tensor()));

        @Nullable Tensor[] results = gradientsOf(derived.name(), roots, sources, gradients);
        int next = 0;
        @Nullable Tensor[] ofInputs = new Tensor[inputs.length];
        for (int i = 0; i < inputs.length; i++) {
            ofInputs[i] = inputs[i].differentiable() ? results[next++] : null;
        }
        for (Parameter parameter : derived.parameters()) {
            Tensor gradient = results[next++];
            if (gradient != null) {
                parameter.addGradient(gradient);
            }
        }
        return ofInputs;
    }

    private static @Nullable Tensor[] gradientsOf(
            String name, List<Tensor> outputs, List<Tensor> sources, List<Tensor> gradients) {
        // A result is undefined if no output depends on its source.
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

    /** Frees the saved tensors. */
    void free() {
        saved.close();
        saved = Scope.detached();
        leaves = new Tensor[0];
        recorded = new Tensor[0];
        state = null;
        hasSaved = false;
    }
}
