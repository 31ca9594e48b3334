package dev.moe4j.tensor.autograd;

import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The tensors that the forward pass of a {@link Section.CustomBackward} saves for its backward pass, in order. */
public final class SavedTensors {

    private final List<@Nullable Tensor> tensors = new ArrayList<>();
    private final List<SavedTensors> inner = new ArrayList<>();
    private final boolean recording;
    private final Scope scope;
    private final Value[] inputs;

    SavedTensors(Scope scope, boolean recording, Value... inputs) {
        this.scope = scope;
        this.recording = recording;
        this.inputs = inputs;
    }

    /**
     * Starts the saved tensors of a nested section, and saves its inputs. {@link #inner(int)} returns them to the backward
     * pass.
     */
    public SavedTensors inner(Tensor... inputsOfInner) {
        SavedTensors saved = new SavedTensors(
                scope,
                recording,
                values(
                        recording
                                ? Arrays.stream(inputsOfInner).map(input -> scope.keep(input.detach()))
                                : Arrays.stream(inputsOfInner)));
        inner.add(saved);
        return saved;
    }

    /** The saved tensors of a nested section, numbered from 0 in the order of the calls of {@link #inner(Tensor...)}. */
    public SavedTensors inner(int number) {
        return inner.get(number);
    }

    /** For a nested section that the backward pass recomputes: it saves nothing. */
    public SavedTensors nothing(Tensor... inputsOfInner) {
        return new SavedTensors(scope, false, values(Arrays.stream(inputsOfInner)));
    }

    private static Value[] values(Stream<Tensor> tensors) {
        return tensors.map(tensor -> new Value(tensor, false, null)).toArray(Value[]::new);
    }

    /** Whether there will be a backward pass. If not, the section need not compute anything for it. */
    public boolean recording() {
        return recording;
    }

    /** An input of the section. Sections need not save their inputs: the tape keeps or recomputes them. */
    public Tensor input(int index) {
        return inputs[index].tensor();
    }

    /** Saves tensors for the backward pass. A null entry counts in the numbering. */
    public void save(@Nullable Tensor... kept) {
        if (recording) {
            for (Tensor tensor : kept) {
                // A second handle, because another scope may own the tensor.
                tensors.add(tensor == null ? null : scope.keep(tensor.detach()));
            }
        }
    }

    /**
     * A saved tensor, numbered from 0 in the order of saving.
     *
     * @throws TensorException if null was saved
     */
    public Tensor get(int index) {
        Tensor tensor = tensors.get(index);
        if (tensor == null) {
            throw new TensorException("saved tensor " + index + " is null");
        }
        return tensor;
    }

    /** A saved tensor, numbered as in {@link #get}; null if null was saved. */
    public @Nullable Tensor find(int index) {
        return tensors.get(index);
    }
}
