package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a {@link Section.Written} saves in its forward pass for its backward pass, in order. */
public final class Saved {

    private final List<@Nullable Tensor> tensors = new ArrayList<>();
    private final boolean recording;
    private final Scope scope;
    private final Value[] inputs;

    Saved(Scope scope, boolean recording, Value... inputs) {
        this.scope = scope;
        this.recording = recording;
        this.inputs = inputs;
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
