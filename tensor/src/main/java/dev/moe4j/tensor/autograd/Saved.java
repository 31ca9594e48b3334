package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What a {@link Section.Written} saves in its forward pass for its backward pass, in order. */
public final class Saved {

    private final List<@Nullable Tensor> tensors = new ArrayList<>();
    private final List<Saved> inner = new ArrayList<>();
    private final boolean recording;
    private final Scope scope;
    private final Value[] inputs;

    Saved(Scope scope, boolean recording, Value... inputs) {
        this.scope = scope;
        this.recording = recording;
        this.inputs = inputs;
    }

    /**
     * What a section within this one saves, its inputs included; {@link #inner(int)} gives it to that section's backward
     * pass.
     */
    public Saved inner(Tensor... inputsOfInner) {
        Saved saved = new Saved(
                scope,
                recording,
                values(
                        recording
                                ? Arrays.stream(inputsOfInner).map(input -> scope.keep(input.detach()))
                                : Arrays.stream(inputsOfInner)));
        inner.add(saved);
        return saved;
    }

    /** What the section within this one of the given number has saved, in the order of {@link #inner(Tensor...)}. */
    public Saved inner(int number) {
        return inner.get(number);
    }

    /** For a section within this one that backward runs forward again: it saves nothing. */
    public Saved nothing(Tensor... inputsOfInner) {
        return new Saved(scope, false, values(Arrays.stream(inputsOfInner)));
    }

    private static Value[] values(Stream<Tensor> tensors) {
        return tensors.map(tensor -> new Value(tensor, false, null)).toArray(Value[]::new);
    }

    /** Whether backward will run: without it nothing need be computed for it. */
    public boolean recording() {
        return recording;
    }

    /** The input of the given number, which need not be saved: the tape has it, or computes it again. */
    public Tensor input(int index) {
        return inputs[index].tensor();
    }

    /** Saves tensors for backward; null keeps a place where there is none. */
    public void save(@Nullable Tensor... kept) {
        if (recording) {
            for (Tensor tensor : kept) {
                // A second handle, since the tensor may be an input or output that others own.
                tensors.add(tensor == null ? null : scope.keep(tensor.detach()));
            }
        }
    }

    /** The saved tensor of the given number, in the order of saving. */
    public Tensor get(int index) {
        Tensor tensor = tensors.get(index);
        if (tensor == null) {
            throw new TensorException("tensor " + index + " was not there to be saved");
        }
        return tensor;
    }

    /** As {@link #get}, null where there was none. */
    public @Nullable Tensor find(int index) {
        return tensors.get(index);
    }
}
